"""How a self-test video is made: known identities in pictures, bitstream, tags and sound, with exact truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from opendrape.media.sample_writer import SampleSound, SampleText, SampleVideo, SampleWriter
from opendrape_masker.synthetic.appearance import Appearance, Place
from opendrape_masker.synthetic.carrier import Carrier
from opendrape_masker.synthetic.casting import Stage, cast
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.insertion import Grain, Inserter
from opendrape_masker.synthetic.picture import Canvas, packed_planes
from opendrape_masker.synthetic.portraits import Gallery
from opendrape_masker.synthetic.sound import speech_like
from opendrape_masker.synthetic.truth import TrueBox

_SOUND: Final = SampleSound()
_CRF: Final = 16  # what was inserted must not be lost before the masker sees it


@dataclass(frozen=True, slots=True)
class SuiteTruth:
    """Everything known about one self-test video; ``frames[n]`` are the boxes of frame ``n``."""

    width: int
    height: int
    rate: Fraction
    appearances: tuple[Appearance, ...]
    frames: tuple[tuple[TrueBox, ...], ...]
    canaries: tuple[str, ...]

    def write(self, path: Path) -> None:
        """As JSON. It names everybody who was inserted; all of them are invented."""
        path.write_text(json.dumps(asdict(self) | {"rate": str(self.rate)}, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> SuiteTruth:
        """Inverse of :meth:`write`."""
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["rate"] = Fraction(facts["rate"])
        facts["appearances"] = tuple(_appearance(one) for one in facts["appearances"])
        facts["frames"] = tuple(tuple(_box(box) for box in boxes) for boxes in facts["frames"])
        facts["canaries"] = tuple(facts["canaries"])
        return cls(**facts)


def make_suite(
    path: Path,
    carrier: Carrier,
    gallery: Gallery,
    *,
    events: int,
    seed: int,
    on_frame: Callable[[int], None] = lambda _frame: None,
) -> SuiteTruth:
    """Write the self-test video (MP4) to ``path``. Same arguments, same pictures. Raises ``FileExistsError``."""
    if path.exists():
        raise FileExistsError("the self-test video is already there")
    identity = Identity.of_seed(seed)
    stage = Stage(carrier.width, carrier.height, len(carrier.ticks), float(carrier.rate))
    appearances = cast(stage, gallery, events=events, seed=seed)
    frames: list[tuple[TrueBox, ...]] = []
    inserter, heard = Inserter(gallery, Grain(), seed), 0
    with SampleWriter(path, _video(carrier), sound=_SOUND, text=_text(identity, carrier)) as writer:
        for frame, (tick, canvas) in enumerate(zip(carrier.ticks, carrier.canvases(), strict=True)):
            while tick * carrier.time_base >= heard:
                writer.write_sound(speech_like(heard, _SOUND.rate, seed=seed))
                heard += 1
            if frame % max(1, round(carrier.rate)) == 0:
                inserter = replace(inserter, grain=Grain.of(canvas.luma))
            frames.append(_draw(canvas, inserter, appearances, frame))
            size = {"width": carrier.width, "height": carrier.height}
            writer.write_picture(tick, packed_planes(canvas, **size, pixel_format="yuv420p"))
            on_frame(frame)
    return SuiteTruth(
        width=carrier.width,
        height=carrier.height,
        rate=carrier.rate,
        appearances=appearances,
        frames=tuple(frames),
        canaries=identity.canaries,
    )


def _draw(canvas: Canvas, inserter: Inserter, appearances: tuple[Appearance, ...], frame: int) -> tuple[TrueBox, ...]:
    shown = (inserter.draw(canvas, one, frame) for one in appearances if one.start <= frame < one.end)
    return tuple(box for box in shown if box is not None)


def _video(carrier: Carrier) -> SampleVideo:
    return SampleVideo(
        width=carrier.width, height=carrier.height, time_base=carrier.time_base, rate=carrier.rate, crf=_CRF
    )


def _text(identity: Identity, carrier: Carrier) -> SampleText:
    first, second = identity.chapter_titles
    middle = carrier.ticks[len(carrier.ticks) // 2] * carrier.time_base
    return SampleText(
        tags=identity.tags,
        stream_title=identity.stream_title,
        user_text=identity.user_text,
        chapters=((Fraction(0), first), (middle, second)),
    )


def _appearance(facts: dict[str, Any]) -> Appearance:
    return Appearance(**(facts | {end: Place(**facts[end]) for end in ("first", "last")}))


def _box(facts: dict[str, Any]) -> TrueBox:
    return TrueBox(**(facts | {name: tuple(facts[name]) for name in ("box", "reach")}))
