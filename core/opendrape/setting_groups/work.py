"""What can be set about the work: catalogue, keys, ingest, masker, models, storage, bus, log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from opendrape.domain.pseudonym import Scheme
from opendrape.setting_groups.group import Group


class CatalogueSettings(Group):
    """Where the catalogue is."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="SQLAlchemy URL, `postgresql+psycopg://...` in a cluster; empty: SQLite in the state folder",
    )
    pool_size: int = Field(default=8, ge=2, description="connections to PostgreSQL that one process holds at most")
    connect_seconds: float = Field(default=5.0, gt=0, description="longest wait for a new connection")
    statement_seconds: float = Field(default=30.0, gt=0, description="longest time for one statement")
    lock_seconds: float = Field(default=10.0, gt=0, description="longest wait for a row that somebody else changes")


class KeySettings(Group):
    """Keys of the map and of the receipts."""

    map_file: Path | None = Field(
        default=None, description="the encrypted map; default: key_map.sqlite3 in the state folder"
    )
    map_url: SecretStr = Field(
        default=SecretStr(""),
        description="`postgresql://...` of the key map, apart from the catalogue; empty: SQLite in the state folder",
    )
    map_key: SecretStr = Field(
        default=SecretStr(""), description="content of the map's key file, for a cluster's secrets; empty: the file"
    )
    map_key_file: Path | None = Field(default=None, description="default: keys/map.json in the state folder")
    receipt_key_file: Path | None = Field(default=None, description="default: keys/receipt.pem in the state folder")
    webhook_key_file: Path | None = Field(default=None, description="default: keys/webhook.key in the state folder")


class RedisSettings(Group):
    """Who does short chores in a cluster."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="`redis://...`: one process does each chore (arq); empty: every process that takes care does them",
    )


class PseudonymSettings(Group):
    """How pseudonyms are made."""

    scheme: Scheme = Field(default=Scheme.RANDOM, description="random, or hmac-sha256 (the map's key reproduces it)")
    record_number_pattern: str = Field(
        default="",
        description="regular expression with a group `record`, searched in the path below the source root; empty: none",
    )


class IngestSettings(Group):
    """How a source folder is read."""

    stable_seconds: float = Field(default=2.0, ge=0, description="a file must keep size and mtime this long")
    stable_wait_seconds: float = Field(default=10.0, ge=0, description="how long a one-shot run waits")


class WorkSettings(Group):
    """Leases and retries."""

    lease_seconds: float = Field(default=30.0, gt=0, description="a worker that is silent this long loses its item")
    heartbeat_seconds: float = Field(default=5.0, gt=0, description="how often a worker says that it is alive")
    sweep_seconds: float = Field(default=5.0, gt=0, description="how often expired leases are collected")
    max_attempts: int = Field(default=4, ge=1, description="attempts of one item, counted before work starts")
    first_retry_seconds: float = Field(default=2.0, gt=0, description="first back-off delay; doubles, with jitter")
    outage_retry_seconds: float = Field(
        default=15.0,
        gt=0,
        description="while storage, catalogue, bus or Triton is down, or a disk full, an item is tried this often",
    )
    outage_hours: float = Field(
        default=24.0,
        ge=0,
        description="so long after the last change of a video no attempt is counted then; `opendrape run` counts",
    )
    folder: Path | None = Field(
        default=None, description="folder of intermediate results; default: work in the state folder"
    )
    keep_intermediate: bool = Field(
        default=False, description="keep chunks and masked file in the work folder after delivery"
    )


class MaskerSettings(Group):
    """The masking engine."""

    slots: int = Field(default=1, ge=1, description="media children at a time")
    threads: int = Field(default=0, ge=0, description="threads of one child; 0: cores divided by slots")
    child_memory_bytes: int = Field(default=6 * 2**30, gt=0, description="address space of a media child")
    child_silence_seconds: float = Field(default=120.0, gt=0, description="a child silent this long is killed")
    window_memory_bytes: int = Field(
        default=160 * 2**20,
        gt=0,
        description="pictures kept for look-ahead; above it a chunk is decoded twice",
    )


class MediaSettings(Group):
    """Limits on untrusted media; one over a limit is refused before it is decoded."""

    max_pixels: int = Field(default=8192 * 4352, gt=0, description="pixels of one picture")
    max_frames: int = Field(default=5_000_000, gt=0, description="frames of one video")
    max_duration_seconds: float = Field(default=48 * 3600.0, gt=0, description="length of one video")
    max_streams: int = Field(default=64, gt=0, description="streams in one container")
    probe_seconds: float = Field(default=600.0, gt=0, description="time a probe may take")
    probe_memory_bytes: int = Field(default=2 * 2**30, gt=0, description="address space of a probing child")


class ModelSettings(Group):
    """Where models come from."""

    repository: Path | None = Field(default=None, description="folder of model folders; default: the one shipped")
    site: Path | None = Field(default=None, description="folder with a site's own model folders, preferred over ours")
    mirror: Path | None = Field(default=None, description="folder with weights, asked before any address")
    folder: Path | None = Field(
        default=None, description="where materialised models are; default: models in the state folder"
    )
    deadline_seconds: float = Field(default=60.0, gt=0, description="longest time for one inference call")


class ServiceSettings(Group):
    """A service that runs as a process of its own: where probes and Prometheus find it."""

    host: str = Field(default="127.0.0.1", description="address on which /health and /metrics are answered")
    port: int = Field(default=8081, ge=0, le=65535, description="port for /health and /metrics; 0: any free one")


class BlobSettings(Group):
    """Containers on Azure Blob Storage; without any, results stay in local folders."""

    account_url: str = Field(
        default="", description="https://ACCOUNT.blob.core.windows.net; alone: workload or managed identity"
    )
    connection_string: SecretStr | None = Field(default=None, description="of the account, instead of its URL")
    sas_token: SecretStr | None = Field(default=None, description="with the URL: a token for both containers")
    destination_container: str = Field(default="", description="for outputs and receipts; empty: the output folder")
    destination_prefix: str = Field(default="", description="put before every output's name")
    source_container: str = Field(default="", description="with originals that are registered where they lie")
    work_container: str = Field(default="", description="for intermediate results; empty: the state folder")
    work_prefix: str = Field(default="", description="put before every intermediate result's name")
    block_bytes: int = Field(default=4 * 2**20, ge=64 * 1024, le=256 * 2**20, description="sent at a time")
    parallel: int = Field(default=8, ge=1, le=64, description="blocks under way at a time; with block_bytes: memory")
    request_seconds: float = Field(default=60.0, gt=0, description="a request without an answer is given up")
    attempts: int = Field(default=5, ge=1, description="attempts of one request; then the work item's back-off")


class TritonSettings(Group):
    """A Triton server that runs the models instead of the masker itself."""

    urls: str = Field(
        default="",
        description="its gRPC address `host:port`, several with commas, or `dns:///name:port`; empty: no server",
    )
    max_in_flight: int = Field(default=4, ge=1, description="calls of one masking child at a time")
    deadline_seconds: float = Field(default=20.0, gt=0, description="longest time for one call, replicas together")
    ca_file: Path | None = Field(default=None, description="certificates to trust; given: TLS, else plain")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The single addresses."""
        return tuple(address.strip() for address in self.urls.split(",") if address.strip())


class RetentionSettings(Group):
    """How long outputs and uploaded originals stay. Off by default; receipts and audit always stay."""

    output_days: int = Field(default=0, ge=0, description="outputs older than this may go; 0: they stay for ever")
    upload_days: int = Field(
        default=0, ge=0, description="uploaded originals go this long after their delivery; 0: they stay for ever"
    )


class BusSettings(Group):
    """The message bus that wakes workers on other machines. Neither address: they wake each other in this process."""

    connection_string: SecretStr | None = Field(default=None, description="of an Azure Service Bus namespace")
    namespace: str = Field(
        default="",
        description="host of a namespace, reached with the workload's identity: `NAME.servicebus.windows.net`",
    )
    queue_prefix: str = Field(
        default="opendrape-",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="queues: prefix and kind of work",
    )
    lock_seconds: float = Field(
        default=300.0, gt=0, le=300, description="lock duration of the queues; renewed in thirds"
    )
    try_timeout_seconds: float = Field(default=15.0, gt=0, description="one try of one call to the bus")

    @property
    def is_used(self) -> bool:
        """True when workers are woken over a bus."""
        return self.connection_string is not None or bool(self.namespace)


class LogSettings(Group):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="lowest level written")
    style: Literal["console", "json"] = Field(default="console", description="how log lines look")
