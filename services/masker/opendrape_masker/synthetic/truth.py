"""What is really in a generated sample: every box of every frame, every tick, every planted identity string."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrueBox:
    """Something that must be hidden, in pixels of the stored picture: ``[x0, x1) x [y0, y1)``, clipped to the picture.

    ``kind`` is ``face`` or ``text``; ``label`` is the text or the face's name; ``visible`` the share of it inside the
    picture. ``reach`` is everything the drawing touched (a head around a face), clipped too.
    """

    kind: str
    label: str
    box: tuple[float, float, float, float]
    visible: float
    reach: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class SampleTruth:
    """Everything known about one sample. ``ticks[n]`` and ``frames[n]`` belong to frame ``n`` in presentation order.

    ``canaries`` are identity strings that must not survive anywhere; all of them are invented.
    """

    file: str
    seed: int
    width: int
    height: int
    rotation: int
    time_base: Fraction
    ticks: tuple[int, ...]
    frames: tuple[tuple[TrueBox, ...], ...]
    canaries: tuple[str, ...]
    burned_in: tuple[str, ...]

    def boxes(self, kind: str) -> Iterator[tuple[int, TrueBox]]:
        """Every box of one kind with its frame."""
        for frame, boxes in enumerate(self.frames):
            yield from ((frame, box) for box in boxes if box.kind == kind)

    def write(self, path: Path) -> None:
        """As JSON. Choose a place outside of any input folder: it holds every planted identity."""
        facts = asdict(self) | {"time_base": str(self.time_base)}
        path.write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> SampleTruth:
        """Inverse of :meth:`write`."""
        facts = json.loads(path.read_text(encoding="utf-8"))
        facts["time_base"] = Fraction(facts["time_base"])
        facts["frames"] = tuple(tuple(_box(box) for box in boxes) for boxes in facts["frames"])
        for name in ("ticks", "canaries", "burned_in"):
            facts[name] = tuple(facts[name])
        return cls(**facts)


def _box(facts: dict[str, object]) -> TrueBox:
    lists = {name: tuple(value) for name, value in facts.items() if isinstance(value, list)}
    return TrueBox(**(facts | lists))  # type: ignore[arg-type]
