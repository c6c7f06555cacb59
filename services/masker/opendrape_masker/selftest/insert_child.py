"""The child that makes one self-test video: a foreign clip is decoded only here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from opendrape.domain.timeline import FrameSpan
from opendrape.errors import ConfigurationError, MediaRefused
from opendrape.media.child import serve
from opendrape.media.reader import Picture, read_pictures
from opendrape_masker.orders import read_timeline
from opendrape_masker.selftest.orders import ClipSource, InsertOrder
from opendrape_masker.synthetic.carrier import Carrier, clip_carrier, tissue_carrier
from opendrape_masker.synthetic.portraits import Cutout, Gallery, installed_photographs, photographs_in
from opendrape_masker.synthetic.suite import make_suite

_RATE = Fraction(30)


def insert(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Write video and truth; the answer is how many frames there are, and of which size."""
    order = InsertOrder.model_validate(spec)
    carrier = _clip(order, order.clip) if order.clip else _tissue(order)
    cutouts = _photographs()
    if order.photographs is not None:
        cutouts |= photographs_in(order.photographs)
    frames = len(carrier.ticks)
    truth = make_suite(
        order.video,
        carrier,
        Gallery(cutouts),
        events=order.events,
        seed=order.seed,
        on_frame=lambda frame: send({"progress": (frame + 1) / frames}),
    )
    truth.write(order.truth)
    return {"frames": frames, "width": carrier.width, "height": carrier.height}


def _photographs() -> dict[str, Cutout]:
    try:
        return installed_photographs()
    except ImportError as error:
        raise ConfigurationError(
            "the photographs of the extra `sample` are missing", reason="photographs_missing"
        ) from error


def _tissue(order: InsertOrder) -> Carrier:
    seconds = Fraction(order.seconds).limit_denominator(1000)
    return tissue_carrier(width=order.width, height=order.height, seconds=seconds, rate=_RATE, seed=order.seed)


def _clip(order: InsertOrder, clip: ClipSource) -> Carrier:
    timeline = read_timeline(clip.timeline)
    frames = sum(1 for frame in range(len(timeline)) if timeline.seconds(frame) < order.seconds)

    def pictures() -> Iterator[Picture]:
        return read_pictures(
            clip.descriptor,
            media=clip.media,
            timeline=timeline,
            span=FrameSpan(0, frames),
            limits=order.limits.typed(),
            threads=order.threads,
        )

    try:
        return clip_carrier(clip.media, timeline, frames, pictures)
    except ValueError as error:
        raise MediaRefused("the picture is too small to insert a face", reason="selftest_too_small") from error


if __name__ == "__main__":
    serve(insert)
