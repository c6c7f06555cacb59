"""How does a test reach Azurite: as our store, as another program, or as a medium that rots?"""

from __future__ import annotations

from typing import Any

from azure.storage.blob import BlobClient, ContainerClient

from opendrape.adapters.azure_blobs import AzureBlobStore, Tuning
from opendrape.adapters.azure_blobs.account import Account
from opendrape.adapters.azure_blobs.container import Container
from opendrape.adapters.azure_blobs.sending import Sent
from tests.servers.azurite import Azurite

QUICK = Tuning(
    block_bytes=256 * 1024, parallel=4, request_seconds=10, first_delay_seconds=0.01, longest_delay_seconds=2
)
"""Small blocks and short pauses."""


def opened(
    azurite: Azurite, container: str, *, port: int | None = None, tuning: Tuning = QUICK, **more: Any
) -> AzureBlobStore:
    """Our store; ``port`` of a proxy."""
    return AzureBlobStore(Account(azurite.connection_string(port)), container, tuning=tuning, **more)


def container_behind(azurite: Azurite, container: str) -> ContainerClient:
    """Another program's plain view of the container; close it."""
    return ContainerClient.from_connection_string(azurite.connection_string(), container)


def overwrite_behind(azurite: Azurite, container: str, name: str, *, place: int = 0) -> None:
    """Flip one bit of a stored blob; length and metadata stay what they were."""
    with BlobClient.from_connection_string(azurite.connection_string(), container, name) as blob:
        metadata = blob.get_blob_properties().metadata
        content = bytearray(blob.download_blob().readall())
        content[place] ^= 1
        blob.upload_blob(bytes(content), overwrite=True, metadata=metadata)


class RottenContainer(AzureBlobStore):
    """A medium that flips one bit of everything that is committed to it."""

    def __init__(self, azurite: Azurite, container: str) -> None:
        super().__init__(Account(azurite.connection_string()), container, tuning=QUICK)
        connect = self.session.connected

        async def connected() -> Container:
            opened = await connect()
            opened.commit = _rotting(opened, azurite, container)  # type: ignore[method-assign]
            return opened

        self.session.connected = connected  # type: ignore[method-assign]


def _rotting(opened: Container, azurite: Azurite, container: str) -> Any:
    async def commit(name: str, sent: Sent) -> bool:
        done = await Container.commit(opened, name, sent)
        overwrite_behind(azurite, container, name)
        return done

    return commit
