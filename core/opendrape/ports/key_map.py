"""Who somebody was: the only place where original names, paths and record numbers are kept, encrypted (P-04)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """Where an asset came from. Identity: lives only inside the encrypted map and in memory.

    ``mtime_ns`` and ``size_bytes`` as the file had them when it was digested. ``original_name``: what the file was
    called by whoever sent it, when it lies here under another name.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    content_sha256: str
    record_number: str | None = None
    original_name: str | None = None


@dataclass(frozen=True, slots=True)
class Revealed:
    """The answer to a reverse look-up."""

    pseudonym: str
    sources: tuple[SourceRecord, ...]


@dataclass(frozen=True, slots=True)
class RotationPreview:
    """What a key rotation would touch: rows per key version and the version that becomes active."""

    rows_by_version: dict[int, int]
    new_version: int


class KeyMap(Protocol):
    """Every row is AES-256-GCM under a versioned key; look-ups go through keyed blind indexes, never plain text.

    Get-or-create calls are idempotent and safe across processes: one identifier never gets two pseudonyms.
    A wrong or missing key raises ``ConfigurationError`` before anything is written.
    """

    def asset_pseudonym(self, content_sha256: str, *, is_picture: bool = False) -> str:
        """The asset's pseudonym, made on first sight; a still picture's says that it is one."""

    def find_asset(self, content_sha256: str) -> str | None:
        """The asset's pseudonym if there is one; writes nothing (dry runs)."""

    def subject_pseudonym(self, record_number: str) -> str:
        """The patient's pseudonym, made on first sight."""

    def remember_source(self, asset_id: str, record: SourceRecord, *, subject_id: str | None = None) -> None:
        """Keep where the asset came from. Idempotent; a path seen again with other content moves to the new asset."""

    def known_source(self, path: str) -> tuple[str, SourceRecord] | None:
        """Asset and record last remembered for this exact path."""

    def forget_source(self, path: str) -> None:
        """Destroy what is remembered for this exact path. Idempotent."""

    def sources(self, asset_id: str) -> Sequence[SourceRecord]:
        """Every remembered source of the asset, latest first. For the pipeline, in memory only."""

    def reveal(self, pseudonym: str, *, actor: str, reason: str) -> Revealed:
        """Reverse look-up of a subject or asset: an audited admin act. ``NotFound`` when unknown or destroyed."""

    def destroy_subject(self, subject_id: str, *, actor: str, reason: str) -> int:
        """Destroy every row of one subject; returns how many. We can then not re-identify the assets. Audited."""

    def preview_rotation(self) -> RotationPreview:
        """What ``rotate`` would do; changes nothing."""

    def rotate(self, *, actor: str) -> RotationPreview:
        """Make a new active key, re-encrypt every row under it, retire the old one. Resumable. Audited."""

    def export(self, destination: Path, *, actor: str, reason: str) -> int:
        """Write every row, encrypted under the map's keys, into a new file (0600); returns rows. Audited."""

    def check(self) -> None:
        """Prove that the key opens the map; ``ConfigurationError`` when not."""
