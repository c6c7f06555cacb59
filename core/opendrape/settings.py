"""What can be configured: small groups, one prefix (``OPENDRAPE_``), safe defaults, units in the names."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from opendrape.errors import ConfigurationError
from opendrape.setting_groups.door import (
    AccessSettings,
    AuditSettings,
    DoorSettings,
    FrameSettings,
    GatewaySettings,
    OidcSettings,
    UploadSettings,
    WebhookSettings,
)
from opendrape.setting_groups.work import (
    BlobSettings,
    BusSettings,
    CatalogueSettings,
    IngestSettings,
    KeySettings,
    LogSettings,
    MaskerSettings,
    MediaSettings,
    ModelSettings,
    PseudonymSettings,
    RedisSettings,
    RetentionSettings,
    ServiceSettings,
    TritonSettings,
    WorkSettings,
)

__all__ = [
    "AccessSettings",
    "AuditSettings",
    "BlobSettings",
    "BusSettings",
    "CatalogueSettings",
    "DoorSettings",
    "FrameSettings",
    "GatewaySettings",
    "IngestSettings",
    "KeySettings",
    "LogSettings",
    "MaskerSettings",
    "MediaSettings",
    "ModelSettings",
    "OidcSettings",
    "PseudonymSettings",
    "RedisSettings",
    "RetentionSettings",
    "ServiceSettings",
    "Settings",
    "TritonSettings",
    "UploadSettings",
    "WebhookSettings",
    "WorkSettings",
    "settings_from_environment",
    "shipped",
]


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
