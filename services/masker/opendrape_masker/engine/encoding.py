"""How painting, remembering and encoding run in a thread of their own, beside decoding and looking."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from opendrape.domain.timeline import FrameSpan
from opendrape.media.reader import Picture
from opendrape_masker.engine.evidence import EvidenceWriter
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.regions import PixelRect

_QUEUE = 6


class Output(Protocol):
    """Where the pictures of a chunk go, in presentation order."""

    def write(self, picture: Picture) -> None:
        """Encode one picture."""


class CopyingOutput(Output, Protocol):
    """An output that can also take whole groups of pictures as the source has them."""

    def copy(self, span: FrameSpan) -> None:
        """Copy the source's packets of ``span``, next in order."""

    def copy_instead(self, span: FrameSpan) -> None:
        """Copy the source's packets of ``span``, whose pictures were all written already, in place of those."""


class EncodingThread:
    """Paints, remembers and encodes what it is given, in order; its error surfaces at the next call."""

    def __init__(self, evidence: EvidenceWriter, painter: Painter) -> None:
        self._evidence, self._painter = evidence, painter
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(_QUEUE)
        self._error: BaseException | None = None
        self.busy_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)
        self._thread.start()

    def put(self, output: Output, picture: Picture, rectangles: list[PixelRect]) -> None:
        """Paint ``rectangles`` on ``picture`` and encode it."""
        self.do(lambda: self._encode(output, picture, rectangles))

    def do(self, task: Callable[[], None]) -> None:
        """Do ``task`` after everything that was given before."""
        self._raise_error()
        self._queue.put(task)

    def finish(self) -> None:
        """Wait until everything is done."""
        self._queue.put(None)
        self._thread.join()
        self._raise_error()

    def abandon(self) -> None:
        """Drop what waits and end the thread."""
        self._error = self._error or RuntimeError("abandoned")
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if self._error is None:
                started = time.perf_counter()
                try:
                    task()
                except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                    self._error = error
                self.busy_seconds += time.perf_counter() - started

    def _encode(self, output: Output, picture: Picture, rectangles: list[PixelRect]) -> None:
        painted = self._painter.paint(picture, rectangles)
        self._evidence.add(picture, painted)
        output.write(picture)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
