"""Which parts of the picture are written over the scene: edges that stand still while what is around them moves.

A burned-in logo, frame or line of text has the same edges in every picture; the scene's edges come and go. Per pixel,
the gradients of many pictures are averaged as vectors: the squared length of the mean against the mean of the squared
lengths is 1 where an edge stands still and near 0 where edges of all directions or strengths pass (logo detection by
averaged gradients, with coherence instead of a threshold on the mean alone). A thing that stands still in a scene that
stands still is no overlay: around an overlay the picture moves, or is black border.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.pictures import Array

_CLIPPED = 40.0  # grey levels per pixel: one glaring picture must not outvote the others
_EDGE = 6.0  # mean gradient in levels per pixel: twice what compression noise makes
_COHERENT = 0.8  # of 1; an opaque overlay after compression has 0.9 and more
_MOVES = 5.0  # standard deviation over time in levels
_DARK = 40
_FIELD_EDGE = 7  # pixels around the border of an endoscope's picture
_LEAST_BORDER, _LEAST_FIELD = 0.01, 0.05  # shares of the picture
_JOIN = (15, 7)  # across, down: letters to words, words to lines
_LEAST_EDGES = 24
_LEAST_DENSITY = 0.06
_RING = 7
_RING_SHARE = 0.7
_PAD = 4
_LEAST_MOVING = 0.5
_MOST_STILL = 0.3  # of all edges, still and no overlay: then the scene stands still
_RIM = 6  # pixels along the picture's border: encoders and cameras leave still lines there


@dataclass
class EdgeStatistics:
    """Running sums over the pictures of one stretch of the video; all arrays float32 ``[rows, columns]``."""

    count: int = 0
    _sums: dict[str, Array] = field(default_factory=dict)

    def add(self, luma: Array) -> None:
        """Take in one picture, uint8 ``[rows, columns]``; all of one size."""
        level = luma.astype(np.float32)
        across = cv2.Sobel(level, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
        down = cv2.Sobel(level, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
        strength = cv2.magnitude(across, down)
        weight = np.minimum(1.0, _CLIPPED / np.maximum(strength, 1e-3))
        parts = {
            "across": across * weight,
            "down": down * weight,
            "strength": strength * weight,
            "energy": (strength * weight) ** 2,
            "level": level,
            "square": level * level,
        }
        for name, part in parts.items():
            self._sums[name] = self._sums[name] + part if self.count else part
        self.count += 1

    @property
    def edges(self) -> Array:
        """Where an edge stands still, bool."""
        agreed = self._sums["across"] ** 2 + self._sums["down"] ** 2
        still: Array = self.any_edges & (agreed >= _COHERENT * self.count * self._sums["energy"])
        return still

    @property
    def any_edges(self) -> Array:
        """Where there are edges, still ones or passing ones, bool; none along the picture's own border."""
        found: Array = self._sums["strength"] >= _EDGE * self.count
        inside = np.zeros_like(found)
        inside[_RIM:-_RIM, _RIM:-_RIM] = True
        return found & inside

    @property
    def moves(self) -> Array:
        """Where the picture changes over time, bool, without specks."""
        smooth = cv2.blur(np.sqrt(self._variance), (9, 9))
        moving: Array = smooth >= _MOVES
        return moving

    @property
    def border(self) -> Array:
        """Where it is black and flat all the time, bool."""
        mean = self._sums["level"] / self.count
        calm = (np.sqrt(self._variance) < _MOVES) & (self._sums["strength"] < _EDGE / 2 * self.count)
        dark: Array = (mean < _DARK) & calm
        return dark

    @property
    def _variance(self) -> Array:
        mean = self._sums["level"] / self.count
        variance: Array = np.maximum(self._sums["square"] / self.count - mean * mean, 0.0)
        return variance


@dataclass(frozen=True, slots=True)
class OverlayVerdict:
    """Boxes on the small picture, or why nothing can be said."""

    boxes: tuple[Box, ...] = ()
    undecidable: str = ""


def judge_overlays(statistics: EdgeStatistics, *, largest_share: float) -> OverlayVerdict:
    """What stands still over a moving scene. Undecidable when the scene itself does not move enough."""
    moves, border = statistics.moves, statistics.border
    scene = moves.size - int(border.sum())
    if scene == 0 or int((moves & ~border).sum()) < _LEAST_MOVING * scene:
        return OverlayVerdict(undecidable="scene_stands_still")
    still = statistics.edges & ~_field_edge(border)
    boxes = tuple(_overlays(still, moves | border))
    share = sum(box.area for box in boxes) / moves.size
    if share > largest_share or _left_over(still, boxes) > _MOST_STILL * int(statistics.any_edges.sum()):
        return OverlayVerdict(undecidable="too_much_stands_still")
    return OverlayVerdict(boxes=boxes)


def _left_over(still: Array, boxes: Sequence[Box]) -> int:
    """Still edges that are in no box."""
    rest = still.copy()
    for box in boxes:
        rest[max(0, int(box.y0)) : int(box.y1), max(0, int(box.x0)) : int(box.x1)] = False
    return int(rest.sum())


def _field_edge(border: Array) -> Array:
    """The rim of an endoscope's round picture is an edge that stands still; it is none of what we look for.

    It lies between a large black area and a large other one; lettering on the border is an island, and small.
    """
    reach = np.ones((_FIELD_EDGE, _FIELD_EDGE), np.uint8)
    black = _large(border, _LEAST_BORDER)
    field_of_view = _large(~black.astype(bool), _LEAST_FIELD)
    near: Array = cv2.dilate(black, reach).astype(bool) & cv2.dilate(field_of_view, reach).astype(bool)
    return near


def _large(area: Array, share: float) -> Array:
    """Connected parts that take at least ``share`` of the picture: the gap in a letter is no border."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8), connectivity=4)
    kept = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= area.size * share]
    large: Array = np.isin(labels, kept).astype(np.uint8)
    return large


def _overlays(edges: Array, quiet_around: Array) -> Iterator[Box]:
    """Boxes around groups of still edges whose surroundings move or are black border."""
    joined = cv2.morphologyEx(edges.astype(np.uint8), cv2.MORPH_CLOSE, np.ones(_JOIN[::-1], np.uint8))
    near_edges = cv2.dilate(joined, np.ones((5, 5), np.uint8)).astype(bool)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    for number in range(1, count):
        x, y, width, height = (int(value) for value in stats[number, :4])
        own = int((edges[y : y + height, x : x + width] & (labels[y : y + height, x : x + width] == number)).sum())
        if own < max(_LEAST_EDGES, _LEAST_DENSITY * width * height):
            continue
        if _ring_share(quiet_around, near_edges, (x, y, width, height)) >= _RING_SHARE:
            yield Box(x, y, x + width, y + height).grown(0.0, _PAD)


def _ring_share(quiet: Array, near_edges: Array, box: tuple[int, int, int, int]) -> float:
    """Share of the pixels just outside ``box`` (x, y, width, height) that are quiet; other still edges do not count."""
    x, y, width, height = box
    ring = ~near_edges
    ring[y : y + height, x : x + width] = False
    window = slice(max(0, y - _RING), y + height + _RING), slice(max(0, x - _RING), x + width + _RING)
    around = int(ring[window].sum())
    return int((ring & quiet)[window].sum()) / around if around else 0.0


def on_full_picture(boxes: Sequence[Box], small: tuple[int, int], full: tuple[int, int]) -> list[Box]:
    """Boxes on the small picture (width, height) as boxes on the full one, clipped."""
    across, down = full[0] / small[0], full[1] / small[1]
    scaled = (Box(b.x0 * across, b.y0 * down, b.x1 * across, b.y1 * down).clipped(*full) for b in boxes)
    return [box for box in scaled if box is not None]
