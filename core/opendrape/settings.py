"""What can be configured: small groups, one prefix (``OPENDRAPE_``), safe defaults, units in the names."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from opendrape.domain.pseudonym import Scheme


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CatalogueSettings(_Group):
    """Where the catalogue is."""

    url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the state folder")


class KeySettings(_Group):
    """Keys of the map and of the receipts."""

    map_key_file: Path | None = Field(default=None, description="default: keys/map.json in the state folder")
    receipt_key_file: Path | None = Field(default=None, description="default: keys/receipt.pem in the state folder")
    webhook_key_file: Path | None = Field(default=None, description="default: keys/webhook.key in the state folder")


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
    deadline_seconds: float = Field(default=60.0, gt=0, description="longest time for one inference call")


class GatewaySettings(_Group):
    """The HTTP door."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0: any free one")


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
    pseudonym: PseudonymSettings = PseudonymSettings()
    ingest: IngestSettings = IngestSettings()
    work: WorkSettings = WorkSettings()
    masker: MaskerSettings = MaskerSettings()
    media: MediaSettings = MediaSettings()
    models: ModelSettings = ModelSettings()
    gateway: GatewaySettings = GatewaySettings()
    uploads: UploadSettings = UploadSettings()
    door: DoorSettings = DoorSettings()
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()

    @property
    def catalogue_url(self) -> str:
        """The configured URL or SQLite in the state folder."""
        return self.catalogue.url or f"sqlite:///{(self.state_dir / 'catalogue.sqlite3').absolute()}"

    @property
    def map_key_path(self) -> Path:
        """Where the key map's key file is."""
        return self.keys.map_key_file or self.state_dir / "keys" / "map.json"

    @property
    def receipt_key_path(self) -> Path:
        """Where the receipt signing key is; the public key lies beside it as ``.pub``."""
        return self.keys.receipt_key_file or self.state_dir / "keys" / "receipt.pem"

    @property
    def webhook_key_path(self) -> Path:
        """The key that the secrets of webhooks are made from."""
        return self.keys.webhook_key_file or self.state_dir / "keys" / "webhook.key"

    @property
    def uploads_dir(self) -> Path:
        """Originals that came by HTTP, while they arrive and after."""
        return self.uploads.folder or self.state_dir / "uploads"

    @property
    def key_map_path(self) -> Path:
        """The encrypted map."""
        return self.state_dir / "key_map.sqlite3"

    @property
    def work_dir(self) -> Path:
        """Blob store of intermediate results."""
        return self.state_dir / "work"

    @property
    def scratch_dir(self) -> Path:
        """Where children write; emptied at start."""
        return self.state_dir / "scratch"

    @property
    def models_dir(self) -> Path:
        """Materialised models, one folder per target."""
        return self.state_dir / "models"

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


def shipped(folder: str) -> Path:
    """A folder that comes with OpenDrape: inside the wheel, or at the top of a checkout."""
    packaged = Path(str(files("opendrape"))) / "_resources" / folder
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / folder
