"""The child that draws the contact sheet from the written file: which frames, what was masked on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import cv2

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import FidelityBroken
from opendrape.media.child import serve
from opendrape.media.probe import probe
from opendrape.media.reader import read_pictures
from opendrape_masker.engine.evidence import read_evidence
from opendrape_masker.engine.pictures import Array, View
from opendrape_masker.engine.regions import PixelRect
from opendrape_masker.orders import read_timeline
from opendrape_masker.preview.contact_sheet import CELL_LONG_SIDE, Cell, caption, sheet, side_by_side
from opendrape_masker.preview.orders import PreviewOrder

SPREAD: Final = 16
BUSIEST: Final = 4

Masked = dict[int, tuple[PixelRect, ...]]


def draw(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Write the sheet; the answer says how many frames are on it."""
    order = PreviewOrder.model_validate(spec)
    masked = masked_frames(order)
    chosen = choose(len(read_timeline(order.timeline)), masked)
    artist = _Artist(order, masked)
    cells = []
    for number, frame in enumerate(chosen):
        cells.append(artist.cell(frame))
        send({"progress": (number + 1) / len(chosen)})
    title = "before and after; the left pictures are identity" if order.source is not None else "after masking"
    cv2.imwrite(str(order.sheet), sheet(f"OpenDrape preview, {title}", cells))
    return {"frames": len(chosen)}


def masked_frames(order: PreviewOrder) -> Masked:
    """What was painted on each frame, from the evidence of the chunks."""
    records = (record for path in order.evidence for record in read_evidence(path))
    return {record.frame: record.rectangles for record in records if record.rectangles}


def choose(frames: int, masked: Masked) -> list[int]:
    """Frames spread over the video, and those with most regions, one a stretch; in order."""
    spread = {round(share * (frames - 1) / max(1, SPREAD - 1)) for share in range(SPREAD)}
    stretch = max(1, frames // (2 * SPREAD))
    busiest: list[int] = []
    for frame in sorted(masked, key=lambda frame: (-len(masked[frame]), frame)):
        if len(busiest) < BUSIEST and all(abs(frame - other) >= stretch for other in busiest):
            busiest.append(frame)
    return sorted({*spread, *busiest} & set(range(frames)))


class _Artist:
    """Reads single frames of both files and makes cells of them."""

    def __init__(self, order: PreviewOrder, masked: Masked) -> None:
        self._order, self._masked = order, masked
        self._source_timeline = read_timeline(order.timeline)
        found = probe(order.masked, order.limits.typed())
        if len(found.timeline) != len(self._source_timeline):
            raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
        self._after = found.media, found.timeline
        self._view = View.of(order.media, CELL_LONG_SIDE)

    def cell(self, frame: int) -> Cell:
        rectangles = self._masked.get(frame, ())
        picture = self._picture(self._order.masked, *self._after, frame)
        regions = [(rect.label, self._view.forth(rect.box)) for rect in rectangles]
        if self._order.source is not None:
            before = self._picture(self._order.source, self._order.media, self._source_timeline, frame)
            across = before.shape[1] + 2
            regions += [(role, box.moved(across, 0)) for role, box in regions]
            picture = side_by_side(before, picture)
        second = float(self._source_timeline.seconds(frame))
        return Cell(picture, regions, caption(frame, second, _roles(rectangles)))

    def _picture(self, descriptor: int, media: MediaInfo, timeline: Timeline, frame: int) -> Array:
        span, limits = FrameSpan(frame, frame + 1), self._order.limits.typed()
        (picture,) = read_pictures(
            descriptor, media=media, timeline=timeline, span=span, limits=limits, threads=self._order.threads
        )
        return self._view.take(picture)


def _roles(rectangles: Iterable[PixelRect]) -> list[str]:
    return [rect.label for rect in rectangles]


if __name__ == "__main__":
    serve(draw)
