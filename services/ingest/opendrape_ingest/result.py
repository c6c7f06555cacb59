"""What did a scan find, file by file? Paths are for the person at the terminal and live only in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Status(StrEnum):
    """What became of one file."""

    NEW = "new"  # taken in (or, in a dry run, what would be)
    KNOWN = "known"  # this content is in the catalogue under this policy
    DUPLICATE = "duplicate"  # the same content as another file of this scan
    DEFERRED = "deferred"  # still growing; the next scan looks again
    UNSUPPORTED = "unsupported"  # neither a video nor a picture that is taken in
    IGNORED = "ignored"  # hidden, temporary, a link: never read
    FAILED = "failed"  # should have been read and could not


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """One file. ``asset_id`` is None where there is none (yet: a dry run makes no pseudonyms)."""

    path: Path
    status: Status
    reason: str = ""
    asset_id: str | None = None
    size_bytes: int = 0
    duplicate_of: Path | None = None


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Every file under the root, in the order of the folders."""

    files: tuple[ScannedFile, ...]
    dry_run: bool

    def only(self, *statuses: Status) -> Sequence[ScannedFile]:
        """The files with one of these statuses."""
        return [file for file in self.files if file.status in statuses]

    @property
    def counts(self) -> dict[Status, int]:
        """How many files have each status; every status is there."""
        counted = Counter(file.status for file in self.files)
        return {status: counted[status] for status in Status}

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """Every asset that the files stand for, new and known, each once."""
        return tuple(dict.fromkeys(file.asset_id for file in self.files if file.asset_id))


@dataclass(frozen=True, slots=True)
class Listed:
    """The folder was read: so many candidates, so many bytes."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Digesting:
    """A file is being read: ``done_bytes`` of ``file.size_bytes``; one for every 4 MiB."""

    path: Path
    done_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one file is known."""

    file: ScannedFile


ScanEvent = Listed | Digesting | Settled
