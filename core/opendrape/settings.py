"""What can be configured: small groups, one prefix (``OPENDRAPE_``), safe defaults, units in the names."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from opendrape.domain.access import Role
from opendrape.domain.pseudonym import Scheme
from opendrape.errors import ConfigurationError

TokenAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a public key only: a shared secret would make whoever checks a token able to make one."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CatalogueSettings(_Group):
    """Where the catalogue is."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="SQLAlchemy URL, `postgresql+psycopg://...` in a cluster; empty: SQLite in the state folder",
    )
    pool_size: int = Field(default=8, ge=2, description="connections to PostgreSQL that one process holds at most")
    connect_seconds: float = Field(default=5.0, gt=0, description="longest wait for a new connection")
    statement_seconds: float = Field(default=30.0, gt=0, description="longest time for one statement")
    lock_seconds: float = Field(default=10.0, gt=0, description="longest wait for a row that somebody else changes")


class KeySettings(_Group):
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


class RedisSettings(_Group):
    """Who does short chores in a cluster."""

    url: SecretStr = Field(
        default=SecretStr(""),
        description="`redis://...`: one process does each chore (arq); empty: every process that takes care does them",
    )


class PseudonymSettings(_Group):
    """How pseudonyms are made."""

    scheme: Scheme = Field(default=Scheme.RANDOM, description="random, or hmac-sha256 (the map's key reproduces it)")
    record_number_pattern: str = Field(
        default="",
        description="regular expression with a group `record`, searched in the path below the source root; empty: none",
    )


class IngestSettings(_Group):
    """How a source folder is read."""

    stable_seconds: float = Field(default=2.0, ge=0, description="a file must keep size and mtime this long")
    stable_wait_seconds: float = Field(default=10.0, ge=0, description="how long a one-shot run waits")


class WorkSettings(_Group):
    """Leases and retries."""

    lease_seconds: float = Field(default=30.0, gt=0, description="a worker that is silent this long loses its item")
    heartbeat_seconds: float = Field(default=5.0, gt=0, description="how often a worker says that it is alive")
    sweep_seconds: float = Field(default=5.0, gt=0, description="how often expired leases are collected")
    max_attempts: int = Field(default=4, ge=1, description="attempts of one item, counted before work starts")
    first_retry_seconds: float = Field(default=2.0, gt=0, description="first back-off delay; doubles, with jitter")
    folder: Path | None = Field(
        default=None, description="folder of intermediate results; default: work in the state folder"
    )
    keep_intermediate: bool = Field(
        default=False, description="keep chunks and masked file in the work folder after delivery"
    )


class MaskerSettings(_Group):
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


class MediaSettings(_Group):
    """Limits on untrusted media; one over a limit is refused before it is decoded."""

    max_pixels: int = Field(default=8192 * 4352, gt=0, description="pixels of one picture")
    max_frames: int = Field(default=5_000_000, gt=0, description="frames of one video")
    max_duration_seconds: float = Field(default=48 * 3600.0, gt=0, description="length of one video")
    max_streams: int = Field(default=64, gt=0, description="streams in one container")
    probe_seconds: float = Field(default=600.0, gt=0, description="time a probe may take")
    probe_memory_bytes: int = Field(default=2 * 2**30, gt=0, description="address space of a probing child")


class ModelSettings(_Group):
    """Where models come from."""

    repository: Path | None = Field(default=None, description="folder of model folders; default: the one shipped")
    site: Path | None = Field(default=None, description="folder with a site's own model folders, preferred over ours")
    mirror: Path | None = Field(default=None, description="folder with weights, asked before any address")
    folder: Path | None = Field(
        default=None, description="where materialised models are; default: models in the state folder"
    )
    deadline_seconds: float = Field(default=60.0, gt=0, description="longest time for one inference call")


class ServiceSettings(_Group):
    """A service that runs as a process of its own: where probes and Prometheus find it."""

    host: str = Field(default="127.0.0.1", description="address on which /health and /metrics are answered")
    port: int = Field(default=8081, ge=0, le=65535, description="port for /health and /metrics; 0: any free one")


class BlobSettings(_Group):
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


class TritonSettings(_Group):
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


class RetentionSettings(_Group):
    """How long outputs stay. Off by default; receipts and audit always stay."""

    output_days: int = Field(default=0, ge=0, description="outputs older than this may go; 0: they stay for ever")


class GatewaySettings(_Group):
    """The HTTP door."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0: any free one")
    max_body_bytes: int = Field(default=2**20, gt=0, description="longest request body, uploads apart")
    body_silence_seconds: float = Field(default=20.0, gt=0, description="a body that pauses longer is refused")


class AccessSettings(_Group):
    """Who may use the HTTP door."""

    first_key_file: Path | None = Field(
        default=None, description="file with an API key that opens the door as admin; for a first start in a cluster"
    )
    key_days: float = Field(default=90.0, gt=0, le=366, description="life of a new API key unless told otherwise")
    failed_sign_ins_per_minute: int = Field(
        default=20, ge=1, description="more than this from one address: new credentials from there wait a minute"
    )
    metrics: Literal["loopback", "open", "signed_in"] = Field(
        default="loopback",
        description="who may read /metrics without a key: anybody while the door listens on loopback, anybody, nobody",
    )


class OidcSettings(_Group):
    """Sign-in with tokens of an OpenID Connect issuer."""

    issuer: str = Field(default="", description="exact `iss` of the tokens, https; empty: API keys only")
    audience: str = Field(default="", description="exact `aud` of the tokens: this installation's name at the issuer")
    jwks_url: str = Field(default="", description="where the issuer's keys are; empty: asked by discovery")
    algorithms: tuple[TokenAlgorithm, ...] = Field(default=("RS256", "ES256"), description="signatures accepted")
    clients: tuple[str, ...] = Field(default=(), description="`azp` or `appid` accepted; empty: any")
    subject_claim: str = Field(default="sub", description="immutable id of the person; `oid` for Entra ID")
    roles_claim: str = Field(default="roles", description="claim with the roles; dots step into objects")
    roles: dict[str, Role] = Field(
        default_factory=dict, description="the issuer's role names -> ours, as JSON; empty: they are called alike"
    )
    clock_skew_seconds: float = Field(default=30.0, ge=0, le=300, description="tolerance for the issuer's clock")
    keys_fresh_seconds: float = Field(
        default=3600.0, gt=0, description="age at which the issuer's keys are fetched anew"
    )
    keys_stale_seconds: float = Field(
        default=86400.0, gt=0, description="age up to which known keys serve while the issuer does not answer"
    )
    refetch_seconds: float = Field(default=60.0, gt=0, description="shortest time between two fetches of keys")
    timeout_seconds: float = Field(default=5.0, gt=0, description="longest wait for the issuer")


class AuditSettings(_Group):
    """The chain of the audit."""

    key_file: Path | None = Field(default=None, description="default: keys/audit.json in the state folder")
    anchor_file: Path | None = Field(default=None, description="default: audit.anchors in the state folder")
    seal_seconds: float = Field(default=10.0, gt=0, description="how often new events are sealed")
    anchor_seconds: float = Field(default=60.0, gt=0, description="how often the chain's head is anchored")


class BusSettings(_Group):
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


class FrameSettings(_Group):
    """Requests for single frames."""

    max_segments: int = Field(default=100, ge=1, description="segments that one request may name")
    max_frames: int = Field(default=10_000, ge=1, description="frames that one request may ask for")
    max_open_requests: int = Field(default=5, ge=1, description="requests for frames that one user may have open")
    default_level: str = Field(default="faces", description="policy of a request for frames that names none")
    default_format: Literal["jpg", "png", "webp"] = Field(default="jpg", description="pictures of a request")
    token_hours: float = Field(default=24.0, gt=0, description="how long a download token is good for")
    keep_hours: float = Field(default=168.0, gt=0, description="how long the pictures of a request are kept")
    cleanup_hours: float = Field(default=6.0, gt=0, description="how often expired tokens and pictures are removed")


class UploadSettings(_Group):
    """What may be uploaded."""

    folder: Path | None = Field(default=None, description="where uploads lie; default: uploads in the state folder")
    max_bytes: int = Field(default=2**40, gt=0, description="size of one upload")
    open_per_user: int = Field(default=20, gt=0, description="uploads that one user may have open")
    bytes_per_user_and_day: int = Field(default=4 * 2**40, gt=0, description="bytes one user may upload in 24 hours")
    reserve_bytes: int = Field(default=2**30, ge=0, description="disk space that uploads leave free")
    expire_seconds: float = Field(default=48 * 3600.0, gt=0, description="an upload left lying this long is removed")
    piece_bytes: int = Field(default=4 * 2**20, ge=2**16, description="bytes kept in memory before they are stored")
    policy: str = Field(default="faces", description="policy of an upload that names none")


class DoorSettings(_Group):
    """What the HTTP door allows."""

    burst_requests: int = Field(default=200, gt=0, description="requests that one caller may make at once")
    requests_per_second: float = Field(default=20.0, gt=0, description="requests of one caller, in the long run")
    idempotency_seconds: float = Field(default=24 * 3600.0, gt=0, description="how long an Idempotency-Key is known")
    event_streams: int = Field(default=64, gt=0, description="event streams open at a time in one process")
    event_poll_seconds: float = Field(default=0.5, gt=0, description="how often an event stream looks for news")
    event_comment_seconds: float = Field(default=15.0, gt=0, description="silence before a keep-alive comment")


class WebhookSettings(_Group):
    """Telling others."""

    per_user: int = Field(default=10, gt=0, description="webhooks that one user may have")
    allow_networks: tuple[str, ...] = Field(
        default=(), description='private networks that webhooks may go to, as a JSON list, e.g. `["10.1.2.0/24"]`'
    )
    allow_http: bool = Field(default=False, description="also without TLS")
    timeout_seconds: float = Field(default=5.0, gt=0, description="time a receiver has to answer")
    max_attempts: int = Field(default=12, ge=1, description="attempts of one delivery")
    first_retry_seconds: float = Field(default=5.0, gt=0, description="first delay; triples, with jitter")
    longest_retry_seconds: float = Field(default=12 * 3600.0, gt=0, description="longest delay between attempts")
    keep_seconds: float = Field(default=7 * 86400.0, gt=0, description="how long ended deliveries are shown")


class LogSettings(_Group):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="lowest level written")
    style: Literal["console", "json"] = Field(default="console", description="how log lines look")


class Settings(BaseSettings):
    """Everything, by environment variables such as ``OPENDRAPE_WORK__LEASE_SECONDS=30``."""

    model_config = SettingsConfigDict(
        env_prefix="OPENDRAPE_", env_nested_delimiter="__", frozen=True, extra="ignore", env_ignore_empty=True
    )

    state_dir: Path = Field(default=Path("var"), description="catalogue, key map, keys, models and work files")
    destination: Path = Field(default=Path("out"), description="folder for de-identified output")
    policies_dir: Path | None = Field(default=None, description="folder with a site's own policies, read first")
    models_mirror: Path | None = Field(default=None, description="short form of OPENDRAPE_MODELS__MIRROR")
    catalogue: CatalogueSettings = CatalogueSettings()
    keys: KeySettings = KeySettings()
    redis: RedisSettings = RedisSettings()
    pseudonym: PseudonymSettings = PseudonymSettings()
    ingest: IngestSettings = IngestSettings()
    work: WorkSettings = WorkSettings()
    masker: MaskerSettings = MaskerSettings()
    media: MediaSettings = MediaSettings()
    models: ModelSettings = ModelSettings()
    service: ServiceSettings = ServiceSettings()
    blobs: BlobSettings = BlobSettings()
    triton: TritonSettings = TritonSettings()
    retention: RetentionSettings = RetentionSettings()
    gateway: GatewaySettings = GatewaySettings()
    frames: FrameSettings = FrameSettings()
    access: AccessSettings = AccessSettings()
    oidc: OidcSettings = OidcSettings()
    audit: AuditSettings = AuditSettings()
    uploads: UploadSettings = UploadSettings()
    door: DoorSettings = DoorSettings()
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()
    bus: BusSettings = BusSettings()

    @property
    def catalogue_url(self) -> str:
        """The configured URL or SQLite in the state folder."""
        return self.catalogue.url.get_secret_value() or f"sqlite:///{(self.state_dir / 'catalogue.sqlite3').absolute()}"

    @property
    def is_alone(self) -> bool:
        """True when only the owner of the state folder can work on this catalogue and its intermediate results."""
        return not self.catalogue.url.get_secret_value() and not self.blobs.work_container and self.work.folder is None

    @property
    def map_key_path(self) -> Path:
        """Where the key map's key file is."""
        return self.keys.map_key_file or self.state_dir / "keys" / "map.json"

    @property
    def receipt_key_path(self) -> Path:
        """Where the receipt signing key is; the public key lies beside it as ``.pub``."""
        return self.keys.receipt_key_file or self.state_dir / "keys" / "receipt.pem"

    @property
    def audit_key_path(self) -> Path:
        """Where the keys that seal the audit are."""
        return self.audit.key_file or self.state_dir / "keys" / "audit.json"

    @property
    def audit_anchor_path(self) -> Path:
        """Where the heads of the audit's chain are kept, outside the catalogue."""
        return self.audit.anchor_file or self.state_dir / "audit.anchors"

    @property
    def webhook_key_path(self) -> Path:
        """The key that the secrets of webhooks are made from."""
        return self.keys.webhook_key_file or self.state_dir / "keys" / "webhook.key"

    @property
    def uploads_dir(self) -> Path:
        """Originals that came by HTTP, while they arrive and after."""
        return (self.uploads.folder or self.state_dir / "uploads").absolute()

    @property
    def key_map_path(self) -> Path:
        """The encrypted map."""
        return self.keys.map_file or self.state_dir / "key_map.sqlite3"

    @property
    def has_shared_map(self) -> bool:
        """True when the map is in PostgreSQL, shared by many processes."""
        return bool(self.keys.map_url.get_secret_value())

    @property
    def work_dir(self) -> Path:
        """Blob store of intermediate results."""
        return self.work.folder or self.state_dir / "work"

    @property
    def scratch_dir(self) -> Path:
        """Where children write; emptied at start."""
        return self.state_dir / "scratch"

    @property
    def models_dir(self) -> Path:
        """Materialised models, one folder per target."""
        return self.models.folder or self.state_dir / "models"

    @property
    def private_folders(self) -> tuple[Path, ...]:
        """What must never be shared, emptied by hand or taken for videos: nothing else belongs in these folders."""
        beneath = (
            self.map_key_path.parent,
            self.receipt_key_path.parent,
            self.work_dir,
            self.scratch_dir,
            self.uploads_dir,
        )
        return (*beneath, self.models_dir)

    @property
    def mirror(self) -> Path | None:
        """Local folder with weights."""
        return self.models_mirror or self.models.mirror

    @property
    def model_repository(self) -> tuple[Path, ...]:
        """The folders of model folders, most preferred first."""
        own = (self.models.site,) if self.models.site else ()
        return (*own, self.models.repository or shipped("model_repository"))

    @property
    def policy_folders(self) -> tuple[Path, ...]:
        """Where policies are looked for, in order."""
        own = (self.policies_dir,) if self.policies_dir else ()
        return (*own, shipped("policies"))

    @property
    def masker_threads(self) -> int:
        """Threads of one media child."""
        return self.masker.threads or max(1, (os.cpu_count() or 1) // self.masker.slots)


def settings_from_environment(**given: object) -> Settings:
    """The environment's settings, ``given`` first. ``ConfigurationError`` names each bad variable, never a value."""
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(
            f"OPENDRAPE_{'__'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigurationError(f"settings cannot be used: {faults}", reason="settings_invalid") from error


def shipped(folder: str) -> Path:
    """A folder that comes with OpenDrape: inside the wheel, or at the top of a checkout."""
    packaged = Path(str(files("opendrape"))) / "_resources" / folder
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / folder
