"""Which identities appear when and where in a suite: drawn by a seed, every class in turn, never two on one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import Any, Final, TypeVar

import numpy as np

from opendrape_masker.synthetic.appearance import FACE_SIZES, TEXT_SIZES, Appearance, Course, Look, Place, Style
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.portraits import Gallery

_TRIES: Final = 300
_TEXT_SHARE: Final = 3  # every third event is text
_FACE_COURSES: Final = (
    Course.STILL, Course.CROSSING, Course.SHORT, Course.APPROACHING, Course.FAST, Course.FLASH,
)  # fmt: skip
_TEXT_COURSES: Final = (Course.STILL, Course.SHORT, Course.STILL, Course.SCROLLING)
_TALLEST_SHARE: Final = 0.42  # of the picture's shorter side
_APART_SECONDS: Final = 1.0
_NEAR_BORDER: Final = 2.0  # heights: masks may reach out to a border this near
_WIDE_FACE: Final = 0.9
_LETTER_WIDTH: Final = 0.9  # of the capitals' height; room enough for any letter

Reach = tuple[float, float, float, float]
_Card = TypeVar("_Card")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a suite plays: pixels, frames, frames per second."""

    width: int
    height: int
    frames: int
    rate: float

    def frames_of(self, seconds: float) -> int:
        """At least one."""
        return max(1, round(seconds * self.rate))


def cast(stage: Stage, gallery: Gallery, *, events: int, seed: int) -> tuple[Appearance, ...]:
    """Up to ``events`` appearances, fewer when there is no room; same arguments, same suite."""
    return tuple(_Casting(stage, gallery, np.random.default_rng(seed), Identity.of_seed(seed)).draw(events))


@dataclass
class _Casting:
    stage: Stage
    gallery: Gallery
    random: np.random.Generator
    identity: Identity
    _placed: list[Appearance] = field(default_factory=list)
    _decks: dict[str, list[Any]] = field(default_factory=dict)

    def draw(self, events: int) -> Iterator[Appearance]:
        for number in range(events):
            make = self._text if number % _TEXT_SHARE == _TEXT_SHARE - 1 else self._face
            drawn = make(number)
            if drawn is not None:
                yield drawn

    def _face(self, number: int) -> Appearance | None:
        look, course = str(self._next("look", tuple(Look))), str(self._next("course", _FACE_COURSES))
        people = self.gallery.from_the_side() if look == Look.PROFILE else self.gallery.frontal()
        what = str(self._next(f"people {look == Look.PROFILE}", people))
        tall = self._tall("face size", FACE_SIZES, self.gallery.tallest(what))
        return self._place(lambda: self._face_somewhere(f"face-{number:03d}", what, look, course, tall))

    def _face_somewhere(self, name: str, what: str, look: str, course: str, tall: float) -> Appearance:
        start, end = self._when(course)
        first, last = self._path(course, tall, end - start)
        return Appearance(
            name=name,
            kind="face",
            what=what,
            look=look,
            course=course,
            start=start,
            end=end,
            first=first,
            last=last,
            angle=float(self.random.choice((-1, 1)) * self.random.uniform(15, 30)) if look == Look.TILTED else 0.0,
            squeeze=float(self.random.uniform(0.62, 0.75)) if look == Look.TURNED else 1.0,
            gain=float(self.random.uniform(0.4, 0.55) if look == Look.DARK else self.random.uniform(0.8, 1.1)),
            mirrored=bool(self.random.random() < 0.5),
        )

    def _text(self, number: int) -> Appearance | None:
        style, course = str(self._next("style", tuple(Style))), str(self._next("text course", _TEXT_COURSES))
        words, tall = str(self._next("words", self._words())), self._tall("text size", TEXT_SIZES, 1e9)
        return self._place(lambda: self._text_somewhere(f"text-{number:03d}", words, style, course, tall))

    def _text_somewhere(self, name: str, words: str, style: str, course: str, tall: float) -> Appearance:
        start, end = self._when(course)
        half = len(words) * tall * _LETTER_WIDTH / 2
        room_x, room_y = max(half, self.stage.width - half), self.stage.height - 2 * tall
        first = Place(self._between(half, room_x), self._between(2 * tall, room_y), tall)
        path = self._between(0.1, 0.3) * tall * (end - start) if course == Course.SCROLLING else 0.0
        last = replace(first, y=min(room_y, first.y + path))
        return Appearance(name, "text", words, style, course, start, end, first, last)

    def _words(self) -> tuple[str, ...]:
        who = self.identity
        return (who.name.upper(), f"ID {who.number}", f"BORN {who.born}", f"DR {who.surgeon.upper()}", who.hospital)

    def _when(self, course: str) -> tuple[int, int]:
        """Frames ``[start, end)``. Short ones last a quarter to half a second, flashes one to five frames."""
        if course == Course.FLASH:
            length = int(self.random.integers(1, 6))
        elif course == Course.SHORT:
            length = self.stage.frames_of(self._between(0.25, 0.5))
        else:
            length = self.stage.frames_of(self._between(0.8, 2.2))
        length = min(length, self.stage.frames)
        start = int(self.random.integers(0, self.stage.frames - length + 1))
        return start, start + length

    def _path(self, course: str, tall: float, frames: int) -> tuple[Place, Place]:
        if course == Course.CROSSING:
            return self._crossing(tall)
        if course == Course.FAST:
            return self._hurried(tall, frames)
        centre = self._anywhere(tall)
        if course == Course.APPROACHING:
            return replace(centre, tall=tall * 0.7), replace(centre, tall=tall * 1.3)
        drift = self._between(-1.0, 1.0) * tall * 0.3, self._between(-1.0, 1.0) * tall * 0.2
        return centre, self._inside(centre.x + drift[0], centre.y + drift[1], tall)

    def _crossing(self, tall: float) -> tuple[Place, Place]:
        """From beyond one border to the opposite one, or to a place inside, or out from there."""
        side, inside = int(self.random.integers(0, 4)), self._anywhere(tall)
        outside = self._beyond(side, tall)
        if self.random.random() < 0.2:
            return outside, self._beyond(side ^ 1, tall)
        return (outside, inside) if self.random.random() < 0.5 else (inside, outside)

    def _hurried(self, tall: float, frames: int) -> tuple[Place, Place]:
        """0.15 to 0.4 face heights a frame, from side to side: blurred by half of that, still a face to a person."""
        path = self._between(0.15, 0.4) * tall * max(1, frames - 1)
        path = min(path, self.stage.width + 2 * tall)
        start = self._between(-tall, self.stage.width + tall - path)
        y = self._anywhere(tall).y
        ends = Place(start, y, tall), Place(start + path, y, tall)
        return ends if self.random.random() < 0.5 else (ends[1], ends[0])

    def _anywhere(self, tall: float) -> Place:
        return self._inside(self._between(0, self.stage.width), self._between(0, self.stage.height), tall)

    def _inside(self, x: float, y: float, tall: float) -> Place:
        across, down = tall * 0.5, tall * 0.6
        return Place(min(max(x, across), self.stage.width - across), min(max(y, down), self.stage.height - down), tall)

    def _beyond(self, side: int, tall: float) -> Place:
        """Just outside: right, left, above, below for sides 0 to 3."""
        place, away = self._anywhere(tall), tall * 1.1
        if side < 2:
            return replace(place, x=-away if side else self.stage.width + away)
        return replace(place, y=-away if side == 2 else self.stage.height + away)

    def _place(self, draw: Callable[[], Appearance]) -> Appearance | None:
        """The first draw that keeps clear of everything placed before."""
        for _ in range(_TRIES):
            drawn = draw()
            if all(self._clear(drawn, other) for other in self._placed):
                self._placed.append(drawn)
                return drawn
        return None

    def _clear(self, one: Appearance, other: Appearance) -> bool:
        """True when the mask of one can never cover the other, although masks are held before and after."""
        apart = self.stage.frames_of(_APART_SECONDS)
        if one.start >= other.end + apart or other.start >= one.end + apart:
            return True
        return not _touch(_swept(one, self.stage), _swept(other, self.stage))

    def _tall(self, deck: str, limits: Sequence[int], most: float) -> float:
        most = min(most, _TALLEST_SHARE * min(self.stage.width, self.stage.height))
        classes = [(low, high) for low, high in pairwise(limits) if low * 1.15 < most]
        low, high = self._next(deck, tuple(classes))
        return self._between(low * 1.02, min(high * 0.98, most))

    def _between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, max(low, high)))

    def _next(self, deck: str, cards: Sequence[_Card]) -> _Card:
        """Every card once before any comes again."""
        left: list[_Card] = self._decks.setdefault(deck, [])
        left[:] = [card for card in left if card in cards]
        if not left:
            left += [cards[int(number)] for number in self.random.permutation(len(cards))]
        return left.pop()


def _swept(one: Appearance, stage: Stage) -> Reach:
    """A box around everything the appearance and its mask touch on its way, and the way out of the picture."""
    tall = max(one.first.tall, one.last.tall)
    across = len(one.what) * tall * _LETTER_WIDTH / 2 + tall if one.kind == "text" else tall * (_WIDE_FACE + 0.4)
    down = 2.0 * tall if one.kind == "text" else 1.3 * tall
    xs, ys = sorted((one.first.x, one.last.x)), sorted((one.first.y, one.last.y))
    more, near = ceil(one.speed * 4), _NEAR_BORDER * tall if one.kind == "face" else 0.0
    x0, x1 = xs[0] - across - more, xs[1] + across + more
    y0, y1 = ys[0] - down - more, ys[1] + down + more
    return (
        x0 if x0 > near else 0.0,
        y0 if y0 > near else 0.0,
        x1 if x1 < stage.width - near else float(stage.width),
        y1 if y1 < stage.height - near else float(stage.height),
    )


def _touch(one: Reach, other: Reach) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
