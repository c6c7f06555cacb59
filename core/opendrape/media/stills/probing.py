"""What a still picture is to the rest of the house: the facts of a video of one frame that lasts no time (I-05)."""

from __future__ import annotations

from fractions import Fraction

from opendrape.domain.media_info import ColourTags, MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.media.limits import MediaLimits
from opendrape.media.stills.facts import StillFacts
from opendrape.media.stills.reading import read_still

ONE_FRAME = Timeline(time_base=Fraction(1), ticks=(0,), key_frames=(0,), end_tick=1)
_BT601 = 5


def probe_still(descriptor: int, limits: MediaLimits) -> tuple[MediaInfo, Timeline]:
    """Facts and timeline of the picture behind a read-only descriptor. Raises :class:`MediaRefused`."""
    return media_of(read_still(descriptor, limits)), ONE_FRAME


def media_of(facts: StillFacts) -> MediaInfo:
    """Sizes as the picture is looked at: it is turned upright before anything else."""
    width, height = facts.upright_size
    return MediaInfo(
        container=str(facts.kind),
        codec=str(facts.kind),
        width=width,
        height=height,
        pixel_format=f"{'grey' if facts.channels == 1 else 'rgb'}{facts.bit_depth}",
        bit_depth=facts.bit_depth,
        colour=ColourTags(matrix=_BT601, full_range=True),
        time_base=(1, 1),
        frame_count=1,
        first_tick=0,
        duration_seconds=0.0,
        variable_frame_rate=False,
        average_rate=(1, 1),
        key_frames=1,
        tag_count=sum(facts.removed.values()),
    )
