"""How one chunk is decoded, looked at, painted and written: overlapped, in memory bounded by the look-ahead window.

A chunk is a row of groups of pictures (V-11). Where masks are expected a group is decoded whole and encoded as soon as
its masks are final; where none are, only the pictures that a detector looks at, and those they refer to, are decoded,
and the group is copied as it is, or read a second time when something was found after all. A source whose groups cannot
be copied is one group.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MarkedRegion, SmartRender
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.copying import Copyable, NotCopyable
from opendrape.media.limits import MediaLimits
from opendrape.media.reader import Picture, read_pictures
from opendrape.media.sparse_reader import read_wanted
from opendrape.media.spliced_writer import SplicedWriter
from opendrape.media.writer import ChunkWriter
from opendrape_masker.engine.encoding import EncodingThread
from opendrape_masker.engine.evidence import EvidenceWriter
from opendrape_masker.engine.foresight import Foresight
from opendrape_masker.engine.groups import Stretch, Stretches, stretches_of
from opendrape_masker.engine.intervals import IntervalTally
from opendrape_masker.engine.looking import Tally, Watch, marked_targets
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.pictures import picture_bytes
from opendrape_masker.engine.regions import PixelRect

_PENDING_LOOKS = 6  # small pictures waiting for their detector
_READ_AGAIN_AT_ONCE = 8  # frames that the encoding thread gets at once: it may lag so many times its queue
_NOTHING = NotCopyable("smart_render_off")


@dataclass(frozen=True, slots=True)
class Job:
    """One chunk of one video and how to treat it."""

    descriptor: int
    media: MediaInfo
    timeline: Timeline
    span: FrameSpan
    policy: Policy
    regions: tuple[MarkedRegion, ...]
    limits: MediaLimits
    threads: int
    window_bytes: int
    spared: tuple[FrameSpan, ...] = ()

    def pictures(self, span: FrameSpan) -> Iterator[Picture]:
        """Exactly the frames of ``span``, in order."""
        return read_pictures(
            self.descriptor,
            media=self.media,
            timeline=self.timeline,
            span=span,
            limits=self.limits,
            threads=self.threads,
        )

    def wanted_pictures(self, span: FrameSpan, wanted: Callable[[int], bool]) -> Iterator[Picture]:
        """The frames of ``span`` that are wanted, in order; see :func:`read_wanted`."""
        return read_wanted(
            self.descriptor,
            media=self.media,
            timeline=self.timeline,
            span=span,
            limits=self.limits,
            threads=self.threads,
            wanted=wanted,
        )


@dataclass
class RenderFacts:
    """What rendering did. ``copied`` are the groups with the source's own packets."""

    tally: Tally = field(default_factory=Tally)
    found: IntervalTally = field(default_factory=IntervalTally)
    masked_frames: int = 0
    copied: list[FrameSpan] = field(default_factory=list)
    searched_frames: int = 0
    encoded_frames: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def smart(self) -> SmartRender:
        """As the report has it."""
        copied = sum(len(span) for span in self.copied)
        return SmartRender(
            copied_frames=copied, searched_frames=self.searched_frames, encoded_frames=self.encoded_frames
        )

    def spent(self, stage: str, since: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - since


@dataclass
class Renderer:
    """Renders one chunk. ``watches`` must be fresh: they keep what they saw. ``source`` says what may be copied."""

    job: Job
    watches: Sequence[Watch]
    chunk_path: Path
    evidence_path: Path
    on_frame: Callable[[int], None]
    source: Copyable | NotCopyable = _NOTHING

    def run(self) -> RenderFacts:
        """Write the chunk and its evidence; returns counts. Any error leaves files that nobody reads."""
        self._facts = RenderFacts()
        self._painter = Painter.of(self.job.policy.mask, self.job.media)
        self._window: deque[Picture] = deque()
        self._most_in_window = self.job.window_bytes // picture_bytes(self.job.media)
        self._next = self.job.span.start
        self._again_in: Stretch | None = None
        self._again: Iterator[Picture] = iter(())
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(self.job.threads, thread_name_prefix="look"))
            evidence = stack.enter_context(EvidenceWriter(self.evidence_path))
            self._output: ChunkWriter | SplicedWriter = self._writer()
            stack.enter_context(self._output)
            self._encoder = EncodingThread(evidence, self._painter)
            try:
                self._render(pool)
                self._encoder.finish()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._encoder.abandon()
                raise
            self._facts.seconds["encode"] = self._encoder.busy_seconds
        return self._facts

    def _writer(self) -> ChunkWriter | SplicedWriter:
        media, encode, threads = self.job.media, self.job.policy.encode, self.job.threads
        if isinstance(self.source, NotCopyable):
            return ChunkWriter(self.chunk_path, media=media, encode=encode, threads=threads)
        return SplicedWriter(
            self.chunk_path,
            media=media,
            encode=encode,
            threads=threads,
            source=self.source,
            descriptor=self.job.descriptor,
            limits=self.job.limits,
        )

    def _render(self, pool: ThreadPoolExecutor) -> None:
        wide = self._wide_span()
        self._stretches = Stretches(stretches_of(self.job.span, self.source), self._foresight().expects_masks)
        for watch in self.watches:
            watch.start_at(wide.start)
        if self.watches:
            for picture in self._timed(self.job.wanted_pictures(wide, self._is_wanted)):
                self._take(picture, pool)
        self._advance(wait=True)
        if self._next != self.job.span.end:
            raise RuntimeError("the masks of a frame are not final")

    def _foresight(self) -> Foresight:
        job = self.job
        return Foresight(job.media, job.timeline, job.regions, self.watches, job.window_bytes, job.pictures)

    def _is_wanted(self, frame: int) -> bool:
        is_dense = frame in self.job.span and bool(self._stretches.at(frame).is_dense)
        return is_dense or any(watch.wants(frame) for watch in self.watches)

    def _take(self, picture: Picture, pool: ThreadPoolExecutor) -> None:
        started = time.perf_counter()
        for watch in self.watches:
            watch.offer(picture, pool)
            watch.keep_up(_PENDING_LOOKS)
        self._facts.spent("wait_for_looks", started)
        if picture.index in self.job.span and self._stretches.at(picture.index).is_dense:
            self._window.append(picture)
        self._advance(wait=bool(self._window) and len(self._window) >= self._most_in_window)

    def _advance(self, *, wait: bool) -> None:
        """Everything whose masks are final, and whose picture is there when it is needed, goes on."""
        while self._next < self.job.span.end and self._is_settled(self.job.timeline.ticks[self._next], wait=wait):
            stretch = self._stretches.at(self._next)
            if stretch.is_dense and not self._window:
                return
            rectangles = self._planned(self._next)
            stretch.plan(rectangles)
            if stretch.is_dense:
                self._put(self._window.popleft(), rectangles)
            elif stretch.is_read_again and len(stretch.rectangles) >= _READ_AGAIN_AT_ONCE:
                self._read_again(stretch)
            self._next += 1
            if self._next == stretch.span.end:
                self._end(stretch)

    def _put(self, picture: Picture, rectangles: list[PixelRect]) -> None:
        self._encoder.do(lambda: self._encode(picture, rectangles))

    def _is_settled(self, tick: int, *, wait: bool) -> bool:
        """True when every detector was asked far enough ahead and its answers are there; ``wait`` waits for those."""
        for watch in self.watches:
            asked = watch.last_asked_tick
            if not watch.all_asked and (asked is None or asked < tick + watch.line.reach.ahead):
                return False
        return all(watch.settle(tick=tick, wait=wait) for watch in self.watches)

    def _planned(self, frame: int) -> list[PixelRect]:
        """What the frame shall show painted; counted."""
        started = time.perf_counter()
        targets = marked_targets(self.job.regions, frame)
        masked = []
        for watch in self.watches:
            if not watch.settle(tick=self.job.timeline.ticks[frame]):
                raise RuntimeError("the masks of a frame are not final")
            own = watch.line.targets(frame)
            masked.append((watch, bool(own)))
            targets += own
        self._facts.tally.count(frame, masked)
        for watch in self.watches:
            watch.line.forget_before(frame)
        rectangles = self._painter.rectangles(targets)
        self._facts.masked_frames += bool(rectangles)
        self._facts.found.note(frame, rectangles, targets)
        self._facts.spent("wait_and_link", started)
        return rectangles

    def _end(self, stretch: Stretch) -> None:
        """The masks of the whole stretch are known: copy it, or encode it unless that is already done."""
        output, span = self._output, stretch.span
        self._facts.searched_frames += 0 if stretch.is_dense or not self.watches else len(span)
        if stretch.is_copyable and not stretch.is_touched and isinstance(output, SplicedWriter):
            copy = output.copy_instead if stretch.is_dense else output.copy
            self._encoder.do(lambda: self._copy(copy, span))
            self._facts.copied.append(span)
            return
        reason = stretch.reason or "masked"
        self._facts.encoded_frames[reason] = self._facts.encoded_frames.get(reason, 0) + len(span)
        if not stretch.is_dense:
            self._read_again(stretch)

    def _copy(self, copy: Callable[[FrameSpan], None], span: FrameSpan) -> None:
        copy(span)
        self.on_frame(span.end - 1)

    def _read_again(self, stretch: Stretch) -> None:
        """In the encoding thread, behind the search, so that the search goes on meanwhile."""
        planned = stretch.planned()
        self._encoder.do(lambda: self._encode_again(stretch, planned))

    def _encode_again(self, stretch: Stretch, planned: Sequence[list[PixelRect]]) -> None:
        if self._again_in is not stretch:
            self._again_in, self._again = stretch, self.job.pictures(stretch.span)
        for rectangles in planned:
            self._encode(next(self._again), rectangles)

    def _encode(self, picture: Picture, rectangles: list[PixelRect]) -> None:
        self._encoder.encode(self._output, picture, rectangles)
        self.on_frame(picture.index)

    def _timed(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        while True:
            started = time.perf_counter()
            picture = next(pictures, None)
            self._facts.spent("decode", started)
            if picture is None:
                return
            yield picture

    def _wide_span(self) -> FrameSpan:
        spans = [watch.needed(self.job.span.start, self.job.span.end) for watch in self.watches]
        return FrameSpan(
            min([self.job.span.start, *(a for a, _ in spans)]), max([self.job.span.end, *(b for _, b in spans)])
        )
