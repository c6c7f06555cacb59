"""The child that probes one video or picture: what is in it, and when each frame is shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import Timeline
from opendrape.media.child import serve
from opendrape.media.descriptor_file import DescriptorFile
from opendrape.media.kinds import HEAD_BYTES, sniff
from opendrape.media.limits import MediaLimits


def probe_media(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Probe the descriptor of the order; the answer carries the media info and the packed timeline."""
    send({"progress": 0.0})
    media, timeline = _probed(spec["descriptor"], MediaLimits(**spec["limits"]))
    return {"media": media.model_dump(mode="json"), "timeline": base64.b64encode(timeline.to_bytes()).decode()}


def _probed(descriptor: int, limits: MediaLimits) -> tuple[MediaInfo, Timeline]:
    """By what the first bytes are: FFmpeg never sees a still picture."""
    if sniff(DescriptorFile(descriptor).at(0, HEAD_BYTES)).is_still:
        from opendrape.media.stills.probing import probe_still

        return probe_still(descriptor, limits)
    from opendrape.media.probe import probe

    found = probe(descriptor, limits)
    return found.media, found.timeline


if __name__ == "__main__":
    serve(probe_media)
