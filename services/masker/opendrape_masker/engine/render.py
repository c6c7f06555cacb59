"""How one chunk is decoded, looked at, painted and written: overlapped, in memory bounded by the look-ahead window."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.limits import MediaLimits
from opendrape.media.reader import Picture, read_pictures
from opendrape.media.writer import ChunkWriter
from opendrape_masker.engine.evidence import EvidenceWriter
from opendrape_masker.engine.intervals import IntervalTally
from opendrape_masker.engine.looking import Tally, Watch, marked_targets
from opendrape_masker.engine.paint import Painter, PixelRect
from opendrape_masker.engine.regions import Target

_ENCODER_QUEUE = 6
_PENDING_LOOKS = 16  # small pictures waiting for their detector in the first of two passes


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


@dataclass
class RenderFacts:
    """What rendering did."""

    tally: Tally = field(default_factory=Tally)
    found: IntervalTally = field(default_factory=IntervalTally)
    masked_frames: int = 0
    passes: int = 1
    seconds: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, since: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - since


class _Encoder:
    """A thread that paints, remembers and encodes; its error surfaces at the next call."""

    def __init__(self, writer: ChunkWriter, evidence: EvidenceWriter, painter: Painter) -> None:
        self._writer, self._evidence, self._painter = writer, evidence, painter
        self._queue: queue.Queue[tuple[Picture, list[PixelRect]] | None] = queue.Queue(_ENCODER_QUEUE)
        self._error: BaseException | None = None
        self.busy_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)
        self._thread.start()

    def put(self, picture: Picture, rectangles: list[PixelRect]) -> None:
        self._raise_error()
        self._queue.put((picture, rectangles))

    def finish(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._raise_error()

    def abandon(self) -> None:
        self._error = self._error or RuntimeError("abandoned")
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            if self._error is None:
                started = time.perf_counter()
                try:
                    self._encode(*entry)
                except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                    self._error = error
                self.busy_seconds += time.perf_counter() - started

    def _encode(self, picture: Picture, rectangles: list[PixelRect]) -> None:
        painted = self._painter.paint(picture, rectangles)
        self._evidence.add(picture, painted)
        self._writer.write(picture)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


@dataclass
class Renderer:
    """Renders one chunk. ``watches`` must be fresh: they keep what they saw."""

    job: Job
    watches: Sequence[Watch]
    chunk_path: Path
    evidence_path: Path
    on_frame: Callable[[int], None]

    def run(self) -> RenderFacts:
        """Write the chunk and its evidence; returns counts. Any error leaves files that nobody reads."""
        self._facts = RenderFacts()
        painter = Painter.of(self.job.policy.mask, self.job.media)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="look") as pool,
            EvidenceWriter(self.evidence_path) as evidence,
            ChunkWriter(
                self.chunk_path, media=self.job.media, encode=self.job.policy.encode, threads=self.job.threads
            ) as writer,
        ):
            encoder = _Encoder(writer, evidence, painter)
            try:
                self._render(pool, encoder, painter)
                encoder.finish()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                encoder.abandon()
                raise
            self._facts.seconds["encode"] = encoder.busy_seconds
        return self._facts

    def _render(self, pool: ThreadPoolExecutor, encoder: _Encoder, painter: Painter) -> None:
        wide = self._wide_span()
        for watch in self.watches:
            watch.start_at(wide.start)
        if self._window_fits():
            self._single_pass(wide, pool, encoder, painter)
        else:
            self._facts.passes = 2
            for picture in self._timed(self.job.pictures(wide)):
                self._offer(picture, pool)
                for watch in self.watches:
                    watch.keep_up(_PENDING_LOOKS)
            for picture in self._timed(self.job.pictures(self.job.span)):
                self._release(picture, encoder, painter)

    def _single_pass(self, wide: FrameSpan, pool: ThreadPoolExecutor, encoder: _Encoder, painter: Painter) -> None:
        window: deque[Picture] = deque()
        for picture in self._timed(self.job.pictures(wide)):
            self._offer(picture, pool)
            if picture.index in self.job.span:
                window.append(picture)
            while window and self._is_settled(window[0].tick):
                self._release(window.popleft(), encoder, painter)
        while window:
            self._release(window.popleft(), encoder, painter)

    def _is_settled(self, tick: int) -> bool:
        """True when every detector was asked far enough ahead; waits for the answers then."""
        for watch in self.watches:
            asked = watch.last_asked_tick
            if not watch.all_asked and (asked is None or asked < tick + watch.line.reach.ahead):
                return False
        settled = [watch.settle(tick=tick) or watch.all_asked for watch in self.watches]
        return all(settled)

    def _release(self, picture: Picture, encoder: _Encoder, painter: Painter) -> None:
        started = time.perf_counter()
        targets = marked_targets(self.job.regions, picture.index)
        masked = []
        for watch in self.watches:
            if not watch.settle(tick=picture.tick):
                raise RuntimeError("the masks of a frame are not final")
            own = watch.line.regions(picture.index)
            masked.append((watch, bool(own)))
            targets += [Target(box, str(watch.rule.role)) for box in own]
        self._facts.tally.count(picture.index, masked)
        for watch in self.watches:
            watch.line.forget_before(picture.index)
        rectangles = painter.rectangles(targets)
        self._facts.masked_frames += bool(rectangles)
        self._facts.found.note(picture.index, rectangles)
        self._facts.spent("wait_and_link", started)
        encoder.put(picture, rectangles)
        self.on_frame(picture.index)

    def _offer(self, picture: Picture, pool: ThreadPoolExecutor) -> None:
        started = time.perf_counter()
        for watch in self.watches:
            watch.offer(picture, pool)
        self._facts.spent("shrink", started)

    def _timed(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        while True:
            started = time.perf_counter()
            picture = next(pictures, None)
            self._facts.spent("decode", started)
            if picture is None:
                return
            yield picture

    def _wide_span(self) -> FrameSpan:
        spans = [watch.line.needed(self.job.span.start, self.job.span.end) for watch in self.watches]
        return FrameSpan(
            min([self.job.span.start, *(a for a, _ in spans)]), max([self.job.span.end, *(b for _, b in spans)])
        )

    def _window_fits(self) -> bool:
        media, timeline = self.job.media, self.job.timeline
        ahead = max([0, *(watch.line.reach.ahead + watch.line.reach.gap for watch in self.watches)])
        frames = float(ahead * timeline.time_base * timeline.average_rate)
        bytes_per_picture = media.width * media.height * (1 if media.bit_depth == 8 else 2) * _samples_per_pixel(media)
        return frames * bytes_per_picture <= self.job.window_bytes


def _samples_per_pixel(media: MediaInfo) -> float:
    for mark, samples in (("420", 1.5), ("422", 2.0), ("444", 3.0)):
        if mark in media.pixel_format:
            return samples
    return 4.0
