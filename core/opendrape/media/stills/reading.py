"""What a still picture's file says, and what is left in a written one: by the family that its first bytes show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from opendrape.errors import MediaRefused
from opendrape.media.boundary import refusing
from opendrape.media.descriptor_file import DescriptorFile
from opendrape.media.kinds import HEAD_BYTES, Kind, sniff
from opendrape.media.limits import MediaLimits
from opendrape.media.stills.colour_profile import clean_profile
from opendrape.media.stills.facts import StillFacts, must
from opendrape.media.stills.jpeg import read_jpeg, survivors_in_jpeg
from opendrape.media.stills.png import read_png, survivors_in_png
from opendrape.media.stills.tiff import read_tiff, survivors_in_tiff
from opendrape.media.stills.webp import read_webp, survivors_in_webp

_BYTES_PER_PIXEL: Final = 8  # four samples of 16 bits
_ROOM: Final = 64 * 2**20
_BLOCK: Final = 2**20

_READERS: Final[Mapping[Kind, Callable[[bytes], StillFacts]]] = MappingProxyType(
    {Kind.JPEG: read_jpeg, Kind.PNG: read_png, Kind.WEBP: read_webp, Kind.TIFF: read_tiff}
)
_SURVIVORS: Final[Mapping[Kind, Callable[[bytes], set[str]]]] = MappingProxyType(
    {
        Kind.JPEG: survivors_in_jpeg,
        Kind.PNG: survivors_in_png,
        Kind.WEBP: survivors_in_webp,
        Kind.TIFF: survivors_in_tiff,
    }
)


def read_still(descriptor: int, limits: MediaLimits) -> StillFacts:
    """The facts of the picture behind a read-only descriptor; nothing is decoded.

    ``MediaRefused`` for what is no single JPEG, PNG, WebP or TIFF picture, is damaged, or is larger than allowed.
    """
    file = DescriptorFile(descriptor)
    must(file.size <= limits.max_pixels * _BYTES_PER_PIXEL + _ROOM, "too_many_pixels")
    kind = sniff(file.at(0, HEAD_BYTES))
    if not kind.is_still:
        raise MediaRefused(reason=kind.refusal or "not_a_video")
    with refusing("corrupt"):
        return facts_of(_whole(file), limits)


def facts_of(data: bytes, limits: MediaLimits) -> StillFacts:
    """The same for bytes."""
    with refusing("corrupt"):
        facts = _READERS[sniff(data[:HEAD_BYTES])](data)
        limits.check_picture(facts.width, facts.height)
        if facts.profile is not None:
            clean_profile(facts.profile, channels=facts.channels)
        return facts


def survivors(data: bytes, facts: StillFacts) -> tuple[str, ...]:
    """Slugs of what is in a written file besides one picture and its colours; empty when it is clean."""
    found = _SURVIVORS[facts.kind](data)
    if facts.orientation != 1:
        found.add("orientation")
    if facts.profile is not None and clean_profile(facts.profile, channels=facts.channels) != facts.profile:
        found.add("colour_profile")
    return tuple(sorted(found))


def _whole(file: DescriptorFile) -> bytes:
    blocks = []
    at = 0
    while block := file.at(at, _BLOCK):
        blocks.append(block)
        at += len(block)
    must(at == file.size, "truncated")
    return b"".join(blocks)
