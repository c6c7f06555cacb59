"""How does a media child look at pictures without network? It asks its parent through a pair of pipes."""

from __future__ import annotations

import itertools
import math
import threading
import time
from concurrent.futures import Future, TimeoutError

import numpy as np
from pydantic import BaseModel, ConfigDict

from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.inference.answers import check_batch
from opendrape_masker.inference.port import Pictures, Tensors
from opendrape_masker.inference.relay_frames import Frame, FrameBroken, read_lengths, read_rest, write_frame

_GRACE_SECONDS = 2.0
_ERRORS = {"InferenceFailed": InferenceFailed, "ModelMissing": ModelMissing}


class RemoteModels(BaseModel):
    """What a child is told of models that run elsewhere: its ends of the pipes, digests and tables of characters."""

    model_config = ConfigDict(frozen=True)

    requests: int
    answers: int
    deadline_seconds: float
    digests: dict[str, str]
    labels: dict[str, tuple[str, ...]]


class RelayedSession:
    """The port by way of the parent, which bounds what is in flight and keeps the deadline.

    Should even the parent be silent, a call ends two seconds after its deadline. Once the pipe is broken every call
    fails: the child's work is then tried again as a whole.
    """

    def __init__(self, models: RemoteModels) -> None:
        self._models = models
        self._writing = threading.Lock()
        self._waiting: dict[int, Future[Frame]] = {}
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self._is_broken = False
        threading.Thread(target=self._listen, name="answers", daemon=True).start()

    def infer(self, model: str, batch: Pictures) -> Tensors:
        """See ``InferenceSession.infer``."""
        check_batch(batch)
        if model not in self._models.digests:
            raise ModelMissing(f"model {model} is not served")
        until = time.monotonic() + self._models.deadline_seconds + _GRACE_SECONDS
        number, answer = next(self._numbers), Future[Frame]()
        with self._guard:
            self._waiting[number] = answer
        try:
            self._ask({"id": number, "model": model, "shape": list(batch.shape[:3])}, batch)
            return _tensors(answer.result(max(0.0, until - time.monotonic())))
        except TimeoutError as error:
            raise InferenceFailed(f"model {model} was too late", reason="inference_timeout") from error
        finally:
            with self._guard:
                self._waiting.pop(number, None)

    def source_digest(self, model: str) -> str | None:
        """See ``InferenceSession.source_digest``: as it was when the child was started."""
        return self._models.digests.get(model)

    def labels(self, model: str) -> tuple[str, ...]:
        """See ``InferenceSession.labels``."""
        if not self._models.labels.get(model):
            raise ModelMissing(f"model {model} has no character table")
        return self._models.labels[model]

    def _ask(self, head: dict[str, object], batch: Pictures) -> None:
        body = np.ascontiguousarray(batch).reshape(-1).data
        try:
            with self._writing:
                if self._is_broken:
                    raise FrameBroken
                write_frame(self._models.requests, head, body)
        except (OSError, FrameBroken) as error:
            raise InferenceFailed("the parent does not take requests", reason="inference_unavailable") from error

    def _listen(self) -> None:
        try:
            while (lengths := read_lengths(self._models.answers)) is not None:
                frame = read_rest(self._models.answers, lengths)
                with self._guard:
                    answer = self._waiting.pop(int(frame.head["id"]), None)
                if answer is not None:  # else its caller has given up
                    answer.set_result(frame)
        except (OSError, FrameBroken, KeyError, TypeError, ValueError):
            pass  # whatever came, nobody can be told apart any more: every caller hears it
        finally:
            self._break()

    def _break(self) -> None:
        self._is_broken = True
        with self._guard:
            waiting = list(self._waiting.values())
        for answer in waiting:
            answer.set_exception(InferenceFailed("the parent hung up", reason="inference_unavailable"))


def _tensors(frame: Frame) -> Tensors:
    if "error" in frame.head:
        raise _ERRORS[frame.head["error"]](reason=frame.head["reason"])
    tensors: Tensors = {}
    start = 0
    for name, shape in frame.head["tensors"]:
        count = math.prod(shape)
        tensors[name] = np.frombuffer(frame.body, np.float32, count, start).reshape(shape)
        start += 4 * count
    return tensors
