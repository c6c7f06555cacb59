"""What an independent second look at the written file sees that no mask hides (V-15)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from opendrape.domain.policy import ResidualRule
from opendrape.domain.regions import ResidualFinding
from opendrape.media.reader import Picture
from opendrape_masker.detectors import TextLineReader
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.looking import Eye, merge_same
from opendrape_masker.engine.pictures import Still
from opendrape_masker.engine.regions import PixelRect

_READABLE_CHARACTERS = 3
_HIDDEN_ENOUGH = 0.7  # of a residual hit inside masks: it is a mask's rim, not a person
_PENDING = 8

Masks = Sequence[Box]


@dataclass(frozen=True)
class SecondLook:
    """One residual rule at work on the frames it examines."""

    rule: ResidualRule
    eye: Eye
    frames: frozenset[int]
    reader: TextLineReader | None = None

    def uncovered(self, still: Still, frame: int, masks: Masks) -> list[ResidualFinding]:
        """What is seen outside ``masks`` on a frame. Text counts when the reader can read it."""
        small = self.eye.take(still)
        seen = [
            (one.box, one.score)
            for one in merge_same(self.eye.see(small, frame))
            if one.score >= self.rule.score and covered_share(one.box, masks) < _HIDDEN_ENOUGH
        ]
        if self.reader is not None and seen:
            view = self.eye.views[0]
            lines = self.reader.read_text(small[0], [view.forth(box).corners for box, _ in seen])
            seen = [hit for hit, line in zip(seen, lines, strict=True) if _is_readable(line)]
        return [_finding(self.rule, frame, box, score) for box, score in seen]


@dataclass
class SecondLooks:
    """All second looks of one check, beside the decoding: ``examined`` and ``findings`` are complete after ``open``."""

    looks: Sequence[SecondLook]
    threads: int
    examined: int = 0
    findings: list[ResidualFinding] = field(default_factory=list)
    _pending: deque[Future[list[ResidualFinding]]] = field(default_factory=deque)

    @contextmanager
    def open(self) -> Iterator[Callable[[Picture, int, Masks], None]]:
        """A function that examines a picture when one of the rules wants its frame. Errors surface there or here."""
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="look")
        try:
            yield lambda picture, frame, masks: self._examine(pool, picture, frame, masks)
            self._collect(0)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _examine(self, pool: ThreadPoolExecutor, picture: Picture, frame: int, masks: Masks) -> None:
        for look in self.looks:
            if frame in look.frames:
                self.examined += 1
                self._pending.append(pool.submit(look.uncovered, Still.of(picture), frame, masks))
        self._collect(_PENDING)

    def _collect(self, pending: int) -> None:
        while len(self._pending) > pending:
            self.findings += self._pending.popleft().result()


def _is_readable(line: str) -> bool:
    return sum(character.isalnum() for character in line) >= _READABLE_CHARACTERS


def _finding(rule: ResidualRule, frame: int, box: Box, score: float) -> ResidualFinding:
    rect = PixelRect(round(box.x0), round(box.y0), round(box.x1), round(box.y1))
    return ResidualFinding(
        frame=frame,
        role=str(rule.role),
        score=round(score, 3),
        x=rect.x0,
        y=rect.y0,
        width=max(1, rect.x1 - rect.x0),
        height=max(1, rect.y1 - rect.y0),
    )
