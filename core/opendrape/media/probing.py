"""How a probe is done safely: in a child, by descriptor, under the settings' limits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.media.child import ChildLimits, run_child
from opendrape.media.limits import MediaLimits
from opendrape.settings import Settings


@dataclass(frozen=True)
class Probed:
    """A child's answer."""

    media: MediaInfo
    timeline: Timeline


def probe_in_child(descriptor: int, settings: Settings, *, on_idle: Callable[[], None] = lambda: None) -> Probed:
    """Probe the open file. ``MediaRefused`` with a reason, ``ChildCrashed`` when the file kills its prober."""
    answer = run_child(
        "opendrape.media.probe_child",
        {"descriptor": descriptor, "limits": asdict(MediaLimits.from_settings(settings.media))},
        pass_descriptors=(descriptor,),
        limits=ChildLimits(
            memory_bytes=settings.media.probe_memory_bytes, silence_seconds=settings.media.probe_seconds
        ),
        on_idle=on_idle,
    )
    return Probed(
        media=MediaInfo.model_validate(answer["media"]),
        timeline=Timeline.from_bytes(base64.b64decode(answer["timeline"])),
    )
