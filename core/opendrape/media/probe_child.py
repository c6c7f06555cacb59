"""The child that probes one video: what is in it, and when each frame is shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from opendrape.media.child import serve
from opendrape.media.limits import MediaLimits
from opendrape.media.probe import probe


def probe_media(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Probe the descriptor of the order; the answer carries the media info and the packed timeline."""
    send({"progress": 0.0})
    found = probe(spec["descriptor"], MediaLimits(**spec["limits"]))
    return {
        "media": found.media.model_dump(mode="json"),
        "timeline": base64.b64encode(found.timeline.to_bytes()).decode(),
    }


if __name__ == "__main__":
    serve(probe_media)
