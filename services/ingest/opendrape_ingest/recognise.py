"""Is this file a video or a picture, by its content (I-02), and if neither, what is said about it?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from opendrape.media.kinds import HEAD_BYTES, sniff
from opendrape_ingest.beneath import open_file

VIDEO_ENDINGS = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".wmv", ".flv", ".m4v", ".webm", ".ts", ".m2ts", ".mpg", ".mpeg"}
)
PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file is not taken in; ``failed`` is True when its name says that it should be a video or a picture."""

    reason: str
    failed: bool


def refusal(root: Path, relative: PurePath) -> Refusal | None:
    """None for a video or a picture, else what to say. ``OSError`` when the file cannot be read."""
    return judge(_head(root, relative), relative.suffix)


def holds_picture(root: Path, relative: PurePath) -> bool:
    """True for a still picture that is taken in. ``OSError`` when the file cannot be read."""
    return sniff(_head(root, relative)).is_still


def _head(root: Path, relative: PurePath) -> bytes:
    descriptor = open_file(root, relative)
    try:
        return os.pread(descriptor, HEAD_BYTES, 0)
    finally:
        os.close(descriptor)


def judge(head: bytes, ending: str) -> Refusal | None:
    """The same for first bytes and a name's ending, which only decides how loudly anything else is reported."""
    reason = sniff(head).refusal
    return None if reason is None else Refusal(reason, failed=ending.casefold() in VIDEO_ENDINGS | PICTURE_ENDINGS)
