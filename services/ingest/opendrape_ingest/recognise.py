"""Is this file a video, by its content (I-02), and if not, what is said about it?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from opendrape.media.kinds import HEAD_BYTES, sniff
from opendrape_ingest.beneath import open_file

VIDEO_ENDINGS = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".wmv", ".flv", ".m4v", ".webm", ".ts", ".m2ts", ".mpg", ".mpeg"}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file is not taken in; ``failed`` is True when its name says that it should be a video."""

    reason: str
    failed: bool


def refusal(root: Path, relative: PurePath) -> Refusal | None:
    """None for a video, else what to say. ``OSError`` when the file cannot be read."""
    descriptor = open_file(root, relative)
    try:
        head = os.pread(descriptor, HEAD_BYTES, 0)
    finally:
        os.close(descriptor)
    return judge(head, relative.suffix)


def judge(head: bytes, ending: str) -> Refusal | None:
    """The same for first bytes and a name's ending, which only decides how loudly a non-video is reported."""
    reason = sniff(head).refusal
    return None if reason is None else Refusal(reason, failed=ending.casefold() in VIDEO_ENDINGS)
