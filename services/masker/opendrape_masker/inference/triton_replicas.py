"""Which replica of Triton answers, what happens when one does not, and which of our errors its refusals are?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from opendrape.errors import InferenceFailed, ModelMissing, OpenDrapeError

Answer = TypeVar("Answer")
_REST_SECONDS = 5.0
_MESSAGE_BYTES = 256 * 2**20
_CHANNEL = [
    # a name that stands for several pods is resolved to all of them, and calls go to each in turn
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # pictures of patients go to the named server, never through a proxy of the environment
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


class Replica:
    """One address. ``rests_until``: asked last until then, because it did not answer lately."""

    def __init__(self, url: str, ca_file: Path | None) -> None:
        trusted = str(ca_file) if ca_file else None
        self.client = InferenceServerClient(
            url, ssl=ca_file is not None, root_certificates=trusted, channel_args=list(_CHANNEL)
        )
        self.rests_until = 0.0


class Replicas:
    """Asks one after the other until one answers. Safe to use from several threads."""

    def __init__(self, urls: Sequence[str], *, ca_file: Path | None = None) -> None:
        self._all = tuple(Replica(url, ca_file) for url in urls)
        self._turn = 0
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, question: Callable[[InferenceServerClient, float], Answer], *, until: float) -> Answer:
        """The first answer. ``question`` gets a client and the seconds that it may take.

        A replica that fails is followed by the next one; the time left is shared among those not asked yet. A lone
        replica whose connection broke is asked once more. ``ModelMissing`` when every replica lacks the model, else
        ``InferenceFailed`` with the reason of the last.
        """
        failures: list[OpenDrapeError] = []
        order = self._order()
        for left, replica in zip(range(len(order), 0, -1), order, strict=True):
            try:
                return self._ask_one(replica, question, (until - time.monotonic()) / left)
            except (InferenceFailed, ModelMissing) as error:
                failures.append(error)
        if len(order) == 1 and failures[0].reason == "inference_unavailable":
            return self._ask_one(order[0], question, until - time.monotonic())
        raise next((failure for failure in reversed(failures) if isinstance(failure, InferenceFailed)), failures[-1])

    def ask_each(self, question: Callable[[InferenceServerClient, float], Answer], *, until: float) -> list[Answer]:
        """The answer of every replica; raises what the first one raises that fails."""
        return [self._ask_one(replica, question, until - time.monotonic()) for replica in self._all]

    def close(self) -> None:
        """End all connections; calls in flight fail. Idempotent."""
        self._closed = True
        for replica in self._all:
            replica.client.close()

    def _order(self) -> list[Replica]:
        with self._lock:
            self._turn += 1
            turned = [self._all[(self._turn + number) % len(self._all)] for number in range(len(self._all))]
        now = time.monotonic()
        return sorted(turned, key=lambda replica: replica.rests_until > now)

    def _ask_one(
        self, replica: Replica, question: Callable[[InferenceServerClient, float], Answer], seconds: float
    ) -> Answer:
        if seconds <= 0:
            raise InferenceFailed(reason="inference_timeout")
        try:
            answer = question(replica.client, seconds)
        except InferenceServerException as error:
            failure = _translated(error.status())
            if failure.reason in ("inference_timeout", "inference_unavailable"):
                replica.rests_until = time.monotonic() + _REST_SECONDS
            raise failure from error
        except ValueError as error:
            # the runtime's way to say that the channel was closed by another thread
            if self._closed:
                raise InferenceFailed(reason="inference_unavailable") from error
            raise
        replica.rests_until = 0.0
        return answer


def _translated(status: str | None) -> OpenDrapeError:
    code = str(status).rpartition(".")[2]
    if code == "NOT_FOUND":
        return ModelMissing("the server does not serve this model as it is pinned")
    if code == "DEADLINE_EXCEEDED":
        return InferenceFailed("the Triton server was too late", reason="inference_timeout")
    if code in ("UNAVAILABLE", "CANCELLED"):
        return InferenceFailed("a Triton server does not answer", reason="inference_unavailable")
    return InferenceFailed(f"the server answered with an error ({code})", reason="inference_failed")
