"""Which medium do the settings choose for intermediate results and for outputs: a folder or a container?"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.local_sources import LocalSources
from opendrape.errors import ConfigurationError, StorageUnavailable
from opendrape.ports.blobs import BlobStore
from opendrape.ports.key_map import KeyMap
from opendrape.ports.originals import NoOriginals, Originals
from opendrape.ports.sources import SourceStore
from opendrape.settings import BlobSettings, Settings

if TYPE_CHECKING:
    from opendrape.adapters.azure_blobs import AzureBlobStore, Tuning
    from opendrape.adapters.azure_blobs.account import Account
    from opendrape.adapters.azure_blobs.sources import RawContainer


def open_blob_stores(settings: Settings, opened: ExitStack, *, create: bool = True) -> tuple[BlobStore, BlobStore]:
    """Work blobs and destination blobs; ``opened`` closes what must be closed. Asks no server yet.

    ``create=False`` makes neither folder nor container. ``ConfigurationError`` when one cannot be right.
    """
    _keep_apart(settings.blobs)
    return open_work(settings, opened, create=create), open_destination(settings, opened, create=create)


def open_work(settings: Settings, opened: ExitStack, *, create: bool = True) -> BlobStore:
    """Work blobs alone."""
    blobs = settings.blobs
    return _chosen(settings, blobs.work_container, blobs.work_prefix, settings.work_dir, opened, create)


def open_sources(settings: Settings, key_map: KeyMap, opened: ExitStack) -> SourceStore:
    """Originals in folders and, where a container is set, in it."""
    local = LocalSources(key_map)
    if not settings.blobs.source_container:
        return local
    from opendrape.adapters.azure_blobs.sources import BlobSources

    return BlobSources(key_map, open_raw(settings, opened), local)


def open_originals(settings: Settings, opened: ExitStack) -> Originals:
    """What looks at originals before they are taken in; without a container there are none."""
    if not settings.blobs.source_container:
        return NoOriginals()
    from opendrape.adapters.azure_blobs.originals import AzureOriginals

    return AzureOriginals(open_raw(settings, opened))


def open_raw(settings: Settings, opened: ExitStack) -> RawContainer:
    """The container with originals. ``ConfigurationError`` when none is set."""
    name = settings.blobs.source_container
    if not name:
        raise ConfigurationError("set OPENDRAPE_BLOBS__SOURCE_CONTAINER", reason="blob_settings")
    account, tuning = _account(settings), _tuning(settings)
    from opendrape.adapters.azure_blobs.sources import RawContainer

    raw = RawContainer(account, name, tuning)
    opened.callback(raw.close)
    return raw


def shown_destination(settings: Settings) -> Path:
    """Where outputs go, for a person: the folder, or container and prefix."""
    blobs = settings.blobs
    if not blobs.destination_container:
        return settings.destination
    return Path(blobs.destination_container, blobs.destination_prefix.strip("/"))


def open_destination(settings: Settings, opened: ExitStack, *, create: bool = True) -> BlobStore:
    """Destination blobs alone."""
    blobs = settings.blobs
    return _chosen(
        settings, blobs.destination_container, blobs.destination_prefix, settings.destination, opened, create
    )


def _chosen(
    settings: Settings, container: str, prefix: str, folder: Path, opened: ExitStack, create: bool
) -> BlobStore:
    if container:
        store = _azure(settings, container, prefix, create)
        opened.callback(store.close)
        return store
    try:
        return LocalBlobStore(folder, create=create)
    except StorageUnavailable as error:
        raise ConfigurationError(f"a storage folder cannot be used: {error}", reason="storage_folder") from error


def _azure(settings: Settings, container: str, prefix: str, create: bool) -> AzureBlobStore:
    account, tuning = _account(settings), _tuning(settings)
    from opendrape.adapters.azure_blobs import AzureBlobStore

    scratch = settings.scratch_dir / "blobs"
    return AzureBlobStore(account, container, prefix=prefix, scratch=scratch, create=create, tuning=tuning)


def _account(settings: Settings) -> Account:
    try:
        from opendrape.adapters.azure_blobs.account import Account
    except ImportError:
        raise ConfigurationError("containers need the extra `cluster`", reason="blob_settings") from None
    blobs = settings.blobs
    if not (blobs.connection_string or blobs.account_url):
        raise ConfigurationError(
            "a container is set but no account: set OPENDRAPE_BLOBS__ACCOUNT_URL or OPENDRAPE_BLOBS__CONNECTION_STRING",
            reason="blob_settings",
        )
    return Account(
        connection_string=blobs.connection_string.get_secret_value() if blobs.connection_string else "",
        url=blobs.account_url,
        sas_token=blobs.sas_token.get_secret_value() if blobs.sas_token else "",
    )


def _tuning(settings: Settings) -> Tuning:
    from opendrape.adapters.azure_blobs.tuning import Tuning

    blobs = settings.blobs
    return Tuning(
        block_bytes=blobs.block_bytes,
        parallel=blobs.parallel,
        request_seconds=blobs.request_seconds,
        attempts=blobs.attempts,
    )


def _keep_apart(blobs: BlobSettings) -> None:
    """Outputs are handed out and cleaned up by other rules than intermediate results."""
    if not blobs.work_container or blobs.work_container != blobs.destination_container:
        return
    prefixes = [f"{prefix.strip('/')}/".removeprefix("/") for prefix in (blobs.work_prefix, blobs.destination_prefix)]
    if prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0]):
        raise ConfigurationError(
            "work and destination lie in each other: give them containers or prefixes of their own",
            reason="folders_overlap",
        )
