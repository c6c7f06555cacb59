"""Which account is meant and how does one prove who one is: connection string, SAS, or the identity of the workload?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from azure.core.credentials import AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.storage.blob.aio import ContainerClient

from opendrape.adapters.azure_blobs.tuning import Tuning
from opendrape.errors import ConfigurationError

_CONTAINER: Final = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_CONNECT_SECONDS: Final = 10


@dataclass(frozen=True)
class Account:
    """One of ``connection_string``, ``url`` with ``sas_token``, or ``url`` alone (workload or managed identity)."""

    connection_string: str = field(default="", repr=False)
    url: str = ""
    sas_token: str = field(default="", repr=False)


@dataclass
class Connection:
    """A client for one container and what must be closed with it."""

    container: ContainerClient
    identity: AsyncTokenCredential | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self.container.close()
        if self.identity is not None:
            await self.identity.close()


def check_container_name(name: str) -> None:
    """``ConfigurationError`` unless the service would take it: 3 to 63 of a-z, 0-9 and single hyphens inside."""
    if not _CONTAINER.fullmatch(name):
        raise ConfigurationError(
            "a container's name has 3 to 63 lower-case letters, digits and single hyphens", reason="container_name"
        )


def connect(account: Account, container: str, tuning: Tuning) -> Connection:
    """A client that repeats nothing by itself; nothing is asked yet. ``ConfigurationError`` on unusable settings."""
    check_container_name(container)
    options = {
        "retry_total": 0,
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": tuning.request_seconds,
        "max_single_get_size": 2**30,
        "max_chunk_get_size": 2**30,
    }
    try:
        connection = _connection(account, container, options)
    except ValueError:
        raise ConfigurationError("the blob account's settings cannot be used", reason="blob_settings") from None
    _refuse_plain_text(connection.container.url)
    return connection


def _connection(account: Account, container: str, options: dict[str, float]) -> Connection:
    # the stub types every option; they are the same ones for each of the three ways
    if account.connection_string:
        text = account.connection_string
        return Connection(ContainerClient.from_connection_string(text, container, **options))  # type: ignore[arg-type]
    if not account.url:
        raise ValueError("no account")
    if account.sas_token:
        sas = AzureSasCredential(account.sas_token.removeprefix("?"))
        return Connection(ContainerClient(account.url, container, sas, **options))  # type: ignore[arg-type]
    from azure.identity.aio import DefaultAzureCredential

    identity = DefaultAzureCredential()
    return Connection(ContainerClient(account.url, container, identity, **options), identity)  # type: ignore[arg-type]


def _refuse_plain_text(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigurationError("blobs travel by https only", reason="blob_settings")
