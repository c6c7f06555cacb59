"""How does a set of settings become working parts: builds every port's adapter and closes them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from opendrape.adapters.audit_anchors import AnchorFile
from opendrape.adapters.audit_keys import open_audit_keys
from opendrape.adapters.blob_stores import open_blob_stores, open_originals, open_sources
from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.adapters.key_map import open_key_map
from opendrape.adapters.policy_files import PolicyShelf
from opendrape.adapters.sql.access import SqlAccessStore
from opendrape.adapters.sql.audit_trail import SqlAuditTrail
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.adapters.sql.door import open_door
from opendrape.adapters.sql.postgresql import Limits
from opendrape.adapters.sql.quick_look import open_quick_look
from opendrape.adapters.system_clock import SystemClock
from opendrape.audit.office import AuditOffice
from opendrape.domain.audit_keys import AuditKeys
from opendrape.domain.work import RetryRule
from opendrape.errors import ConfigurationError
from opendrape.metrics import Metrics
from opendrape.ports.access import AccessStore
from opendrape.ports.blobs import BlobStore
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.dead_letters import DeadLetters, NoDeadLetters
from opendrape.ports.door import DoorRecords
from opendrape.ports.doorbell import Doorbell
from opendrape.ports.frames import FrameRequests
from opendrape.ports.key_map import KeyMap
from opendrape.ports.originals import NoOriginals, Originals
from opendrape.ports.quick_look import NoQuickLook, QuickLook
from opendrape.ports.segments import Segments
from opendrape.ports.sources import SourceStore
from opendrape.settings import Settings


@dataclass(frozen=True)
class Container:
    """Every part that core owns, ready to work. Services add their own in their ``composition``."""

    settings: Settings
    clock: Clock
    catalogue: Catalogue
    frames: FrameRequests
    segments: Segments
    access: AccessStore
    audit: AuditOffice
    doorbell: Doorbell
    key_map: KeyMap
    work_blobs: BlobStore
    destination_blobs: BlobStore
    sources: SourceStore
    policies: PolicyShelf
    door: DoorRecords
    originals: Originals = field(default_factory=NoOriginals)
    dead_letters: DeadLetters = field(default_factory=NoDeadLetters)
    quick_look: QuickLook = field(default_factory=NoQuickLook, repr=False, compare=False)
    metrics: Metrics = field(default_factory=Metrics, repr=False, compare=False)
    resources: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)

    def close(self) -> None:
        """Close what was opened, last first; a second call does nothing."""
        self.resources.close()


def bootstrap(settings: Settings, *, notice: Callable[[str], None] = lambda _text: None) -> Container:
    """Build the container; makes the state folder (0700) and keys on first run and says so through ``notice``.

    ``ConfigurationError`` when a folder cannot be made or lies in another, or a key does not fit; nothing stays open.
    """
    _keep_apart(settings)
    with ExitStack() as opened:
        records = _open_records(settings, notice, opened)
        work_blobs, destination_blobs = open_blob_stores(settings, opened)
        return Container(
            settings=settings,
            clock=records.clock,
            catalogue=records.catalogue,
            doorbell=_doorbell(settings, opened),
            frames=records.frames,
            segments=records.segments,
            access=records.access,
            audit=_audit_office(settings, records, partial(open_audit_keys, settings.audit_key_path, notice=notice)),
            key_map=records.key_map,
            work_blobs=work_blobs,
            destination_blobs=destination_blobs,
            sources=open_sources(settings, records.key_map, opened),
            policies=PolicyShelf(settings.policy_folders, work_blobs),
            originals=open_originals(settings, opened),
            dead_letters=_dead_letters(settings, opened),
            door=records.door,
            quick_look=open_quick_look(records.catalogue.database, opened),
            resources=opened.pop_all(),
        )


def _doorbell(settings: Settings, opened: ExitStack) -> Doorbell:
    if not settings.bus.is_used:
        return InProcessDoorbell()
    from opendrape.adapters.service_bus import BusClient, ServiceBusDoorbell

    doorbell = ServiceBusDoorbell(BusClient(settings.bus))
    opened.callback(doorbell.close)
    return doorbell


def _dead_letters(settings: Settings, opened: ExitStack) -> DeadLetters:
    if not settings.bus.is_used:
        return NoDeadLetters()
    from opendrape.adapters.service_bus import BusClient, ServiceBusDeadLetters

    dead_letters = ServiceBusDeadLetters(BusClient(settings.bus))
    opened.callback(dead_letters.close)
    return dead_letters


@dataclass(frozen=True)
class Records:
    """Catalogue and identity map without any storage folder: enough for admin acts and dry runs."""

    clock: Clock
    catalogue: SqlCatalogue
    frames: FrameRequests
    segments: Segments
    access: AccessStore
    key_map: KeyMap
    door: DoorRecords


@contextmanager
def opened_records(settings: Settings, *, notice: Callable[[str], None] = lambda _text: None) -> Iterator[Records]:
    """Catalogue and identity map while the context lasts; makes no destination and no work folder."""
    with ExitStack() as opened:
        yield _open_records(settings, notice, opened)


@dataclass(frozen=True)
class AccessRecords:
    """What an admin of access and audit needs: the catalogue's database, without map and storage."""

    clock: Clock
    catalogue: SqlCatalogue
    access: AccessStore

    def audit(self, settings: Settings) -> AuditOffice:
        """The audit with the keys that are there; ``ConfigurationError`` (``key_file_missing``) later, without any."""
        return _audit_office(settings, self, partial(open_audit_keys, settings.audit_key_path, may_create=False))


@contextmanager
def opened_access(settings: Settings) -> Iterator[AccessRecords]:
    """The catalogue and the stores beside it while the context lasts; makes no folder, no map and no key."""
    with ExitStack() as opened:
        clock = SystemClock()
        catalogue = open_catalogue(
            settings.catalogue_url, clock=clock, retry=retry_rule(settings), limits=connection_limits(settings)
        )
        opened.callback(catalogue.close)
        access = SqlAccessStore(catalogue.database, clock=clock)
        yield AccessRecords(clock=clock, catalogue=catalogue, access=access)


def _open_records(settings: Settings, notice: Callable[[str], None], opened: ExitStack) -> Records:
    _make_private(settings.state_dir)
    clock = SystemClock()
    catalogue = open_catalogue(
        settings.catalogue_url, clock=clock, retry=retry_rule(settings), limits=connection_limits(settings)
    )
    opened.callback(catalogue.close)
    key_map = open_key_map(
        settings.keys.map_url if settings.has_shared_map else settings.key_map_path,
        settings.keys.map_key if settings.keys.map_key.get_secret_value() else settings.map_key_path,
        scheme=settings.pseudonym.scheme,
        audit=catalogue.append_audit,
        clock=clock,
        notice=notice,
    )
    opened.callback(key_map.close)
    return Records(
        clock=clock,
        catalogue=catalogue,
        frames=catalogue.requests_for_frames,
        segments=catalogue.segments,
        access=SqlAccessStore(catalogue.database, clock=clock),
        door=open_door(catalogue, clock),
        key_map=key_map,
    )


def _audit_office(
    settings: Settings, records: Records | AccessRecords, open_keys: Callable[[], AuditKeys]
) -> AuditOffice:
    trail = SqlAuditTrail(records.catalogue.database, clock=records.clock)
    return AuditOffice(trail, open_keys, AnchorFile(settings.audit_anchor_path), records.clock)


def retry_rule(settings: Settings) -> RetryRule:
    """How often and how soon items are tried again under these settings."""
    work = settings.work
    return RetryRule(
        max_attempts=work.max_attempts,
        first_delay_seconds=work.first_retry_seconds,
        outage_delay_seconds=work.outage_retry_seconds,
        outage_hours=work.outage_hours,
    )


def connection_limits(settings: Settings) -> Limits:
    """How long PostgreSQL may take under these settings."""
    chosen = settings.catalogue
    return Limits(
        pool_size=chosen.pool_size,
        connect_seconds=chosen.connect_seconds,
        statement_seconds=chosen.statement_seconds,
        lock_seconds=chosen.lock_seconds,
    )


def _keep_apart(settings: Settings) -> None:
    """Outputs are handed out, the state folder never is; and what lies in its scratch folder goes at each start."""
    destination, state = settings.destination.resolve(), settings.state_dir.resolve()
    inside_private = any(destination.is_relative_to(folder.resolve()) for folder in settings.private_folders)
    if state.is_relative_to(destination) or inside_private:
        raise ConfigurationError(
            "the output folder and the state folder must lie apart: one is handed out, the other holds the keys",
            reason="folders_overlap",
        )


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError("the state folder cannot be made", reason="state_folder") from error
