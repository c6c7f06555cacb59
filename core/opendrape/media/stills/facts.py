"""What a still picture's file says about itself before anything in it is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field

from opendrape.errors import MediaRefused
from opendrape.media.kinds import Kind

PROFILE_BYTES = 4 * 2**20
"""Most bytes of a colour profile that are looked at."""


@dataclass(frozen=True, slots=True)
class StillFacts:
    """One picture of one file. ``width`` and ``height`` as stored, before ``orientation`` (1 to 8, as in EXIF).

    ``essential`` is the file without everything that a decoder does not need to make the pixels. ``profile`` is a
    colour profile as it came, ``colour`` what a PNG says about colour in fixed numbers. ``removed`` counts what else
    there was, by kind; never what it says.
    """

    kind: Kind
    width: int
    height: int
    channels: int
    bit_depth: int
    essential: bytes
    orientation: int = 1
    lossless: bool = True
    sampling: str = ""
    profile: bytes | None = None
    colour: tuple[tuple[bytes, bytes], ...] = ()
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def is_turned(self) -> bool:
        """True when rows are stored as columns."""
        return self.orientation >= 5

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as the picture is looked at."""
        return (self.height, self.width) if self.is_turned else (self.width, self.height)


def must(condition: object, reason: str) -> None:
    """Raise :class:`MediaRefused` with ``reason`` unless the condition holds."""
    if not condition:
        raise MediaRefused(reason=reason)


def counted(names: list[str]) -> dict[str, int]:
    """How often each is there."""
    return {name: names.count(name) for name in sorted(set(names))}
