"""The child that judges one masked self-test video against its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import Policy, Role
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.child import serve
from opendrape.media.probe import probe
from opendrape.media.reader import Picture, read_pictures
from opendrape_masker.engine.paint import yuv_fill
from opendrape_masker.engine.pictures import plane_array
from opendrape_masker.selftest.judging import Judge
from opendrape_masker.selftest.orders import JudgeOrder
from opendrape_masker.synthetic.suite import SuiteTruth


def judge(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Judge every frame. ``FidelityBroken`` when frames are missing or too many."""
    order = JudgeOrder.model_validate(spec)
    truth = SuiteTruth.read(order.truth)
    media, before = _opened(order.before, order)
    _, after = _opened(order.after, order)
    verdict = Judge(truth, yuv_fill(order.policy.mask.colour_rgb, media)[0], gaps_of(order.policy))
    for frame, (was, now) in enumerate(zip_longest(before, after)):
        if was is None or now is None or frame >= len(truth.frames):
            raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
        verdict.see(frame, plane_array(was.planes[0]), plane_array(now.planes[0]))
        send({"progress": (frame + 1) / len(truth.frames)})
    events = [event.model_dump(mode="json") for event in verdict.verdicts()]
    return {"events": events, "masked_elsewhere": verdict.masked_elsewhere}


def gaps_of(policy: Policy) -> dict[str, float]:
    """Longest time between two looks by kind of insertion; a kind that no rule looks for has no entry."""
    kinds = {Role.FACE: "face", Role.TEXT: "text"}
    gaps: dict[str, float] = {}
    for rule in policy.detect:
        if rule.role in kinds:
            kind = kinds[rule.role]
            gaps[kind] = min(gaps.get(kind, float(rule.max_gap_seconds)), float(rule.max_gap_seconds))
    return gaps


def _opened(descriptor: int, order: JudgeOrder) -> tuple[MediaInfo, Iterator[Picture]]:
    limits = order.limits.typed()
    found = probe(descriptor, limits)
    span = FrameSpan(0, len(found.timeline))
    pictures = read_pictures(
        descriptor, media=found.media, timeline=found.timeline, span=span, limits=limits, threads=order.threads
    )
    return found.media, pictures


if __name__ == "__main__":
    serve(judge)
