"""What does a blob say about itself, and when may a reader of ours see it?

A blob is committed under its own name with ``opendrape=written`` and its announced SHA-256. Only when every byte was
read back and compared does it get ``opendrape=verified``, MD5 and Content-MD5; the port's readers see no other blobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from azure.storage.blob import BlobProperties, ContentSettings

STATE: Final = "opendrape"
WRITTEN: Final = "written"
VERIFIED: Final = "verified"
_TYPES: Final = {
    **{".mp4": "video/mp4", ".json": "application/json", ".html": "text/html"},
    **{".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff"},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """One version of one blob. ``sha256`` and ``md5`` are what its writer said; empty for a blob of somebody else."""

    etag: str
    size_bytes: int
    state: str
    sha256: str
    md5: str

    @property
    def is_verified(self) -> bool:
        """True when somebody read it back."""
        return self.state == VERIFIED


def facts_of(found: BlobProperties) -> Facts:
    """From the SDK's properties."""
    said: Mapping[str, str] = {key.lower(): value for key, value in (found.metadata or {}).items()}
    return Facts(
        etag=str(found.etag),
        size_bytes=int(found.size),
        state=said.get(STATE, ""),
        sha256=said.get("sha256", ""),
        md5=said.get("md5", ""),
    )


def written(sha256: str) -> dict[str, str]:
    """Metadata of a blob that nobody has read back yet."""
    return {STATE: WRITTEN, "sha256": sha256}


def verified(sha256: str, md5: str) -> dict[str, str]:
    """Metadata of a blob that was read back."""
    return {STATE: VERIFIED, "sha256": sha256, "md5": md5}


def content_settings(name: str, md5: str | None = None) -> ContentSettings:
    """Content type by the name's ending, and Content-MD5 once it is known."""
    ending = "." + name.rpartition(".")[2]
    digest = bytearray.fromhex(md5) if md5 else None
    return ContentSettings(content_type=_TYPES.get(ending, "application/octet-stream"), content_md5=digest)
