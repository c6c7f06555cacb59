"""The child that masks one still picture: the only place where a foreign picture is decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opendrape.domain.media_info import STILL_ENDINGS
from opendrape.errors import MediaRefused
from opendrape.media.child import serve
from opendrape.media.stills.probing import media_of
from opendrape.media.stills.reading import read_still
from opendrape_masker.chunk_child import Detectors
from opendrape_masker.digests import digest_file
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.working import Working
from opendrape_masker.orders import MaskAnswer, MaskOrder, read_timeline
from opendrape_masker.stills.decoding import decoded
from opendrape_masker.stills.looking import policy_for_stills
from opendrape_masker.stills.masking import StillMasker


def mask_still(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Mask the ordered picture; the answer names the written file and its digest."""
    order = MaskOrder.model_validate(spec)
    source = read_still(order.descriptor, order.limits.typed())
    if media_of(source) != order.media:
        raise MediaRefused("the picture is not the one that was probed", reason="source_changed")
    samples = decoded(source)
    send({"progress": 0.1})
    worked = policy_for_stills(order.policy, order.media)
    job = Job(
        descriptor=order.descriptor,
        media=order.media,
        timeline=read_timeline(order.timeline),
        span=order.span,
        policy=worked,
        regions=order.regions,
        limits=order.limits.typed(),
        threads=order.threads,
        window_bytes=order.window_bytes,
    )
    # the detectors' opinions are about the rules that look
    detectors = Detectors(order.model_copy(update={"policy": worked}))
    working = Working.of(job, detectors, order.confirmed, lambda: send({"progress": 0.1}))
    path = order.folder / f"picture{STILL_ENDINGS[order.media.container]}"
    masker = StillMasker(working, order.policy, source, samples, path, lambda share: send({"progress": share}))
    report = working.told(masker.run())
    return MaskAnswer(path=path, sha256=digest_file(path).sha256, report=report).model_dump(mode="json")


if __name__ == "__main__":
    serve(mask_still)
