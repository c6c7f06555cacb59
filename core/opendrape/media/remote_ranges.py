"""How does a confined child read a source that is no file: it asks its parent, over a descriptor it was given."""

from __future__ import annotations

import errno
import os
import threading
from typing import Final

from opendrape.domain.range_protocol import (
    LONGEST_ANSWER,
    PIECE_BYTES,
    TAG_BYTES,
    Answer,
    Request,
    Word,
    pack_request,
    parse_answer,
)

_ONE_AT_A_TIME: Final = threading.Lock()
"""Several readers of this process may share a descriptor; a question and its answer belong together."""


class RemoteRanges:
    """Bytes of the source behind ``descriptor``. ``OSError`` when the parent cannot read it: never zeros, never a
    shorter answer than the source has. One child at a time uses a descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at, self._piece = 0, b""
        self.size = self._ask(0, 0).size

    def read_at(self, count: int, offset: int) -> bytes:
        """``count`` bytes at ``offset``, fewer only at the end of the source."""
        wanted = max(0, min(count, self.size - offset))
        parts = []
        while wanted > 0:
            part = self._some(offset, wanted)
            parts.append(part)
            offset += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _some(self, offset: int, count: int) -> bytes:
        """At least one byte, out of the piece that ``offset`` lies in; the last piece is kept for small reads."""
        start = offset - offset % PIECE_BYTES
        if self._at != start or not self._piece:
            expected = min(PIECE_BYTES, self.size - start)
            answer = self._ask(start, expected)
            if len(answer.content) != expected or answer.size != self.size:
                raise OSError(errno.EIO, "the source changed or broke off")
            self._at, self._piece = start, answer.content
        return self._piece[offset - start : offset - start + count]

    def _ask(self, offset: int, count: int) -> Answer:
        request = Request(os.urandom(TAG_BYTES), offset, count)
        with _ONE_AT_A_TIME:
            os.write(self._descriptor, pack_request(request))
            while True:
                datagram = os.read(self._descriptor, LONGEST_ANSWER)
                if not datagram:
                    raise OSError(errno.EIO, "nobody answers")
                answer = parse_answer(datagram)
                # an answer to a child that died before it read it is passed over
                if answer.tag == request.tag:
                    break
        if answer.word is not Word.BYTES:
            raise OSError(errno.EIO, "the source cannot be read")
        return answer
