"""What any frame of a sample looks like, with or without what must be hidden in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opendrape_masker.synthetic.faces import Placement, draw_face, placements
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.lettering import Line, draw_line, lines_for, shown
from opendrape_masker.synthetic.picture import Canvas
from opendrape_masker.synthetic.request import SampleRequest
from opendrape_masker.synthetic.tissue import Tissue
from opendrape_masker.synthetic.truth import TrueBox


@dataclass(frozen=True, slots=True)
class Scene:
    """Draws frames in any order; the same frame always has the same pixels."""

    request: SampleRequest
    identity: Identity
    tissue: Tissue

    @classmethod
    def of(cls, request: SampleRequest, identity: Identity) -> Scene:
        """Grow the background (about a second at 1080 lines)."""
        width, height = request.width + request.width % 2, request.height + request.height % 2
        return cls(request, identity, Tissue.grown(width, height, seed=request.seed))

    def draw(self, frame: int, *, people: bool = True, text: bool = True) -> tuple[Canvas, tuple[TrueBox, ...]]:
        """One frame, of even size, and what must be hidden in it."""
        second = self._second(frame)
        canvas = self.tissue.canvas(frame, second)
        found = list(self._draw_people(canvas, second)) if people else []
        if text and self.request.text:
            found += self._draw_text(canvas, second)
        return canvas, tuple(found)

    def _draw_text(self, canvas: Canvas, second: float) -> list[TrueBox]:
        """Lines that would lie on an earlier line are left out: in small pictures not all have room."""
        written: list[TrueBox] = []
        for line, words in shown(self._lines, second):
            box = draw_line(canvas, line, words, taken=[earlier.reach for earlier in written])
            if box is not None:
                written.append(box)
        return written

    def _draw_people(self, canvas: Canvas, second: float) -> Iterator[TrueBox]:
        drawn = (draw_face(canvas, place) for place in self._people(second))
        return (box for box in drawn if box is not None)

    def people_at(self, frame: int) -> list[Placement]:
        """Who is in the scene, without drawing; at the edges a face may still lie outside the picture."""
        return self._people(self._second(frame))

    def _people(self, second: float) -> list[Placement]:
        return placements(second, faces=self.request.faces, width=self.request.width, height=self.request.height)

    def _second(self, frame: int) -> float:
        return float(self.request.ticks[frame] * self.request.time_base)

    @property
    def _lines(self) -> tuple[Line, ...]:
        who = self.identity
        return lines_for(who.name.upper(), who.number, who.born, who.hospital, f"DR {who.surgeon.upper()}")
