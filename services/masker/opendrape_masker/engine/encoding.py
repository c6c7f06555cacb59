"""How painting, remembering and encoding run in a thread of their own, beside decoding and looking."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from opendrape.media.reader import Picture
from opendrape.media.spliced_writer import SplicedWriter
from opendrape.media.writer import ChunkWriter
from opendrape_masker.engine.evidence import EvidenceWriter
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.regions import PixelRect

_QUEUE = 3
_PATIENCE_SECONDS = 1.0


class EncodingThread:
    """Paints, remembers and encodes what it is given, in order; its error surfaces at the next call."""

    def __init__(self, evidence: EvidenceWriter, painter: Painter) -> None:
        self._evidence, self._painter = evidence, painter
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_QUEUE)
        self._error: BaseException | None = None
        self.busy_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)
        self._thread.start()

    def do(self, task: Callable[[], None]) -> None:
        """Do ``task`` after everything that was given before."""
        self._give(task)

    def encode(self, output: ChunkWriter | SplicedWriter, picture: Picture, rectangles: list[PixelRect]) -> None:
        """Paint ``rectangles`` on ``picture``, remember it and encode it; for tasks, in the thread itself."""
        self._raise_error()  # a task of many pictures ends when the others have given up
        painted = self._painter.paint(picture, rectangles)
        self._evidence.add(picture, painted)
        output.write(picture)

    def finish(self) -> None:
        """Wait until everything is done."""
        self._give(None)
        self._thread.join()
        self._raise_error()

    def abandon(self) -> None:
        """Drop what waits and end the thread."""
        self._error = self._error or RuntimeError("abandoned")
        with suppress(BaseException):
            self._give(None, even_after_an_error=True)
        self._thread.join()

    def _give(self, task: Callable[[], None] | None, *, even_after_an_error: bool = False) -> None:
        """Put into the queue, watching that somebody still takes out of it."""
        while True:
            if not even_after_an_error:
                self._raise_error()
            if not self._thread.is_alive():
                raise RuntimeError("the encoding thread ended without a word")
            try:
                return self._queue.put(task, timeout=_PATIENCE_SECONDS)
            except queue.Full:
                continue

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if self._error is None:
                started = time.perf_counter()
                try:
                    task()
                except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                    self._error = error
                self.busy_seconds += time.perf_counter() - started

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
