"""How does a media child without network get answers? Its parent takes the questions from a pipe and asks for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from opendrape.errors import InferenceFailed, ModelMissing
from opendrape.logging import get_log
from opendrape_masker.inference.port import InferenceSession, Pictures, Tensors
from opendrape_masker.inference.relay_frames import Frame, FrameBroken, make_pipe, read_lengths, read_rest, write_frame

_log = get_log("relay")
RelayEnds = tuple[int, int]
"""What the child gets: the end it writes requests to, the end it reads answers from."""


@contextmanager
def relayed(session: InferenceSession, *, in_flight: int, hang_up: Callable[[], None]) -> Iterator[RelayEnds]:
    """Answer one child's requests while the context lasts; yields the child's ends, to be passed to it.

    At most ``in_flight`` requests are held at a time; the next one waits in the pipe. A request that is none ends the
    service: the child then gets no answers any more. ``hang_up`` makes calls of ``session`` that still wait fail at
    once; it is called at the end.
    """
    requests, requests_of_child = make_pipe()
    answers_of_child, answers = make_pipe()
    relay = _Relay(session, requests, answers, in_flight)
    thread = threading.Thread(target=relay.run, name="relay", daemon=True)
    thread.start()
    try:
        yield requests_of_child, answers_of_child
    finally:
        # without these ends, reading meets the end of the requests and writing an answer fails: nobody stays blocked
        os.close(requests_of_child)
        os.close(answers_of_child)
        hang_up()
        thread.join()


class _Relay:
    """Takes requests one by one, answers them from several threads, in any order. Owns and closes its two ends."""

    def __init__(self, session: InferenceSession, requests: int, answers: int, in_flight: int) -> None:
        self._session, self._requests, self._answers = session, requests, answers
        self._in_flight = in_flight
        self._slots = threading.BoundedSemaphore(in_flight)
        self._writing = threading.Lock()

    def run(self) -> None:
        try:
            with ThreadPoolExecutor(self._in_flight, thread_name_prefix="relay") as pool:
                while (lengths := read_lengths(self._requests)) is not None:
                    # a slot first: what is not read yet costs no memory here
                    self._slots.acquire()
                    pool.submit(self._answer, read_rest(self._requests, lengths)).add_done_callback(self._free)
        except FrameBroken:
            _log.warning("relay_refused_request")
        finally:
            os.close(self._requests)
            os.close(self._answers)

    def _free(self, _: object) -> None:
        self._slots.release()

    def _answer(self, request: Frame) -> None:
        number = request.head.get("id")
        with suppress(OSError):  # the child is gone: nobody waits for this answer
            try:
                tensors = self._session.infer(*_question(request))
            except (InferenceFailed, ModelMissing) as error:
                self._send({"id": number, "error": type(error).__name__, "reason": error.reason})
            except Exception:  # noqa: BLE001 - a thread's edge: told as a failed look, never as an empty answer
                _log.exception("relay_failed")
                self._send({"id": number, "error": InferenceFailed.__name__, "reason": "inference_failed"})
            else:
                self._send({"id": number, "tensors": _shapes(tensors)}, *map(_bytes, tensors.values()))

    def _send(self, head: dict[str, Any], *bodies: memoryview) -> None:
        with self._writing:
            write_frame(self._answers, head, *bodies)


def _question(request: Frame) -> tuple[str, Pictures]:
    """Model and batch. ``InferenceFailed`` for what is no question: lengths and types are the child's claims."""
    model, shape = request.head.get("model"), request.head.get("shape")
    if not isinstance(model, str) or not isinstance(shape, list) or len(shape) != 3:
        raise InferenceFailed("a child's request is malformed")
    if not all(type(size) is int and 0 < size < 2**16 for size in shape):
        raise InferenceFailed("a child's request is malformed")
    if shape[0] * shape[1] * shape[2] * 3 != len(request.body):
        raise InferenceFailed("a child's request is malformed")
    return model, np.frombuffer(request.body, np.uint8).reshape(*shape, 3)


def _shapes(tensors: Tensors) -> list[list[Any]]:
    return [[name, list(tensor.shape)] for name, tensor in tensors.items()]


def _bytes(tensor: np.ndarray) -> memoryview:
    return np.ascontiguousarray(tensor, dtype=np.float32).reshape(-1).data
