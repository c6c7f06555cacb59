"""What does a bad network do: a loopback proxy that counts, cuts, stalls, and flips a byte on its way to the server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 1 << 16


class TcpProxy:
    """Passes bytes between clients and ``127.0.0.1:target``. Every knob may be turned while connections live.

    ``up_bytes`` and ``down_bytes`` count what was passed to the server and back. ``cut_after(n)`` cuts every open
    connection once ``n`` more bytes went up, ``flip_after(n)`` changes one bit of the n-th byte that goes up (down with
    ``down=True``); both happen once. ``stall`` passes nothing until ``flow``.
    """

    def __init__(self, target: int) -> None:
        self.up_bytes = self.down_bytes = self.connections = 0
        self.flips = self.cuts = 0
        self._target = target
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._cut_at: int | None = None
        self._flip_at: dict[bool, int | None] = {True: None, False: None}
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut_after(self, count: int) -> None:
        """Cut all connections after ``count`` more bytes to the server; 0: now."""
        if count == 0:
            self._cut()
            return
        with self._lock:
            self._cut_at = self.up_bytes + count

    def flip_after(self, count: int, *, down: bool = False) -> None:
        """Change one bit of the byte that comes ``count`` bytes from now."""
        with self._lock:
            self._flip_at[not down] = (self.down_bytes if down else self.up_bytes) + count

    def stall(self) -> None:
        """Pass nothing on, keep everything open."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on again."""
        self._flowing.set()

    def close(self) -> None:
        """End it and every connection through it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()
        self.flow()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with self._lock:
            self.connections += 1
            self._open |= {client, server}
        for source, sink, up in ((client, server, True), (server, client, False)):
            thread = threading.Thread(target=self._pump, args=(source, sink, up), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                self._flowing.wait()
                sink.sendall(self._passed(piece, up))
        self._end(source, sink)

    def _passed(self, piece: bytes, up: bool) -> bytes:
        """What becomes of the bytes; cuts when their turn has come."""
        with self._lock:
            before = self.up_bytes if up else self.down_bytes
            flip, cut = self._flip_at[up], self._cut_at
            if flip is not None and flip < before + len(piece):
                place = max(0, flip - before)
                piece = piece[:place] + bytes([piece[place] ^ 1]) + piece[place + 1 :]
                self._flip_at[up] = None
                self.flips += 1
            if up:
                self.up_bytes += len(piece)
            else:
                self.down_bytes += len(piece)
            is_cut = up and cut is not None and self.up_bytes >= cut
            if is_cut:
                self._cut_at = None
        if is_cut:
            self._cut()
            raise ConnectionAbortedError
        return piece

    def _cut(self) -> None:
        with self._lock:
            doomed, self._open = self._open, set()
            self.cuts += 1
        for connection in doomed:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _end(self, *pair: socket.socket) -> None:
        with self._lock:
            self._open -= set(pair)
        for connection in pair:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextmanager
def tcp_proxy(target: int) -> Iterator[TcpProxy]:
    """A proxy in front of a loopback port while the context lasts."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
