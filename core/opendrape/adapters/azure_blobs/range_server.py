"""Who answers a confined child that asks for bytes of a blob? A thread here, for this one blob and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from opendrape.domain.range_protocol import Answer, Request, Word, pack_answer, parse_request
from opendrape.errors import ChildCrashed, OpenDrapeError

_LONGEST_REQUEST = 256


class RangeServer:
    """Serves ``read(offset, count)`` on a socket pair; ``descriptor`` goes to the child.

    After the first failure every request is refused, and ``failure`` says why: whatever the child made of it, the owner
    must raise that instead of believing the child. A request that is none ends the service (``child_protocol``).
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size, self._read = size, read
        self.failure: OpenDrapeError | None = None
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._thread = threading.Thread(target=self._serve, name="opendrape-ranges", daemon=True)
        self._thread.start()

    @property
    def descriptor(self) -> int:
        """The child's end."""
        return self._theirs.fileno()

    def close(self) -> None:
        """End the service. Idempotent."""
        for end in (self._ours, self._theirs):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._thread.join()
        self._ours.close()
        self._theirs.close()

    def _serve(self) -> None:
        try:
            while datagram := self._ours.recv(_LONGEST_REQUEST):
                self._ours.sendall(pack_answer(self._answer(parse_request(datagram))))
        except ValueError:
            self.failure = self.failure or ChildCrashed(reason="child_protocol")
            self._ours.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _answer(self, request: Request) -> Answer:
        if self.failure is None:
            try:
                return Answer(request.tag, Word.BYTES, self.size, self._read(request.offset, request.count))
            except OpenDrapeError as error:
                self.failure = error
        return Answer(request.tag, Word.FAILED, self.size)
