"""V-17, S-09: does a child get its own answers only, and can a bad child or a dead parent block anybody?"""

from __future__ import annotations

import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.inference.port import Pictures, Tensors
from opendrape_masker.inference.relay import RelayEnds, relayed
from opendrape_masker.inference.relay_frames import MAX_BODY_BYTES, read_lengths, read_rest, write_frame
from opendrape_masker.inference.relayed_session import RelayedSession, RemoteModels
from tests.fakes.inference import ScriptedInference

pytestmark = pytest.mark.timeout(30)

PICTURE = np.full((1, 4, 4, 3), 7, np.uint8)


def means(batch: Pictures) -> Tensors:
    """Two tensors that tell the batch's content and shape."""
    mean = batch.reshape(len(batch), -1).mean(axis=1).astype(np.float32)
    return {"mean": mean, "planes": batch.transpose(0, 3, 1, 2).astype(np.float32)}


@contextmanager
def line(
    answer: Callable[[Pictures], Tensors], *, deadline_seconds: float = 10.0, in_flight: int = 2
) -> Iterator[tuple[RelayedSession, RelayEnds, ScriptedInference]]:
    """A child's session on copies of its ends, as a child has them."""
    inner = ScriptedInference(answer, {"plain": "digest"})
    with ExitStack() as stack:
        ends = stack.enter_context(relayed(inner, in_flight=in_flight, hang_up=lambda: None))
        own = os.dup(ends[0]), os.dup(ends[1])
        stack.callback(os.close, own[1])
        stack.callback(os.close, own[0])  # the child ends first: its requests end
        remote = RemoteModels(
            requests=own[0],
            answers=own[1],
            deadline_seconds=deadline_seconds,
            digests={"plain": "digest"},
            labels={"plain": ("a", "b")},
        )
        yield RelayedSession(remote), own, inner


def test_many_threads_get_their_own_answers() -> None:
    """V-17: answers come in any order and reach whoever asked."""
    with line(means) as (session, _, _inner), ThreadPoolExecutor(8) as pool:
        batches = [np.full((1 + n % 3, 8, 4 + n % 5, 3), n, np.uint8) for n in range(60)]
        for batch, tensors in zip(batches, pool.map(lambda b: session.infer("plain", b), batches), strict=True):
            assert list(tensors) == ["mean", "planes"]
            np.testing.assert_array_equal(tensors["mean"], means(batch)["mean"])
            np.testing.assert_array_equal(tensors["planes"], means(batch)["planes"])


def test_what_a_child_holds_are_pipes() -> None:
    """S-09: no socket comes through the wall."""
    with line(means) as (_, ends, _inner):
        assert all(stat.S_ISFIFO(os.fstat(end).st_mode) for end in ends)


@pytest.mark.parametrize(
    ("raised", "kind", "reason"),
    [
        (InferenceFailed(reason="inference_timeout"), InferenceFailed, "inference_timeout"),
        (ModelMissing(), ModelMissing, "model_missing"),
        (RuntimeError("words of a patient"), InferenceFailed, "inference_failed"),
    ],
)
def test_errors_come_through_as_they_are_and_foreign_ones_as_a_failed_look(
    raised: Exception, kind: type[Exception], reason: str
) -> None:
    """V-02: never an empty answer; never a foreign text."""

    def fail(_: Pictures) -> Tensors:
        raise raised

    with line(fail) as (session, _, _inner), pytest.raises(kind) as caught:
        session.infer("plain", PICTURE)
    assert caught.value.reason == reason  # type: ignore[attr-defined]
    assert "patient" not in str(caught.value)


def test_digests_and_labels_are_what_the_parent_told() -> None:
    """V-17: a model that was not served when the child started is missing."""
    with line(means) as (session, _, inner):
        assert (session.source_digest("plain"), session.source_digest("other")) == ("digest", None)
        assert session.labels("plain") == ("a", "b")
        for call in (lambda: session.labels("other"), lambda: session.infer("other", PICTURE)):
            with pytest.raises(ModelMissing):
                call()
        with pytest.raises(ValueError, match="uint8"):
            session.infer("plain", PICTURE[0])
        assert inner.batches == []


@pytest.mark.parametrize(
    "head",
    [
        {"id": 1, "model": "plain", "shape": [1, 4, 5]},
        {"id": 1, "model": "plain", "shape": [1, 4, -4]},
        {"id": 1, "model": "plain", "shape": [True, 4, 4]},
        {"id": 1, "model": "plain", "shape": "144"},
        {"id": 1, "model": ["plain"], "shape": [1, 4, 4]},
        {"id": 1},
    ],
)
def test_a_request_that_is_none_is_answered_with_an_error_and_never_passed_on(head: dict[str, object]) -> None:
    """S-09: a child that was taken over may claim anything."""
    inner = ScriptedInference(means)
    with relayed(inner, in_flight=2, hang_up=lambda: None) as ends:
        write_frame(ends[0], head, PICTURE.reshape(-1).data)
        lengths = read_lengths(ends[1])
        assert lengths is not None
        assert read_rest(ends[1], lengths).head["error"] == "InferenceFailed"
        assert inner.batches == []


def _ask_on(session: RelayedSession) -> None:
    for _ in range(1000):
        session.infer("plain", PICTURE)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        struct.pack("!II", 2**31, 0),
        struct.pack("!II", 2, MAX_BODY_BYTES + 1),
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 4, 0) + b"what",
        struct.pack("!II", 60000, 0) + b"[" * 60000,
    ],
)
def test_bytes_that_are_no_frame_end_the_service(bytes_sent: bytes) -> None:
    """S-09: nothing is allocated for a claim, nothing is guessed; the child's next look fails at once."""
    with line(means) as (session, ends, inner):
        with session._writing:
            os.write(ends[0], bytes_sent)
        with pytest.raises(InferenceFailed) as caught:
            _ask_on(session)
        assert caught.value.reason == "inference_unavailable"
        assert inner.batches == []


def test_a_silent_parent_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """V-02: the child keeps a deadline of its own."""
    monkeypatch.setattr("opendrape_masker.inference.relayed_session._GRACE_SECONDS", 0.1)
    free = threading.Event()

    def never(batch: Pictures) -> Tensors:
        free.wait(20)
        return means(batch)

    with line(never, deadline_seconds=0.1) as (session, _, _inner):
        started = time.monotonic()
        with pytest.raises(InferenceFailed) as caught:
            session.infer("plain", PICTURE)
        free.set()
    assert caught.value.reason == "inference_timeout"
    assert time.monotonic() - started < 5


def test_a_child_that_is_gone_leaves_no_thread_although_its_answers_fill_the_pipe() -> None:
    """R-02: the parent goes on, whatever the child left unread."""

    def much(batch: Pictures) -> Tensors:
        return {"much": np.zeros((1, 8 << 20), np.float32)}

    inner = ScriptedInference(much)
    with relayed(inner, in_flight=2, hang_up=lambda: None) as ends:
        for number in range(3):
            write_frame(ends[0], {"id": number, "model": "plain", "shape": [1, 4, 4]}, PICTURE.reshape(-1).data)
        while not inner.batches:
            threading.Event().wait(0.01)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("relay")]


def test_a_request_cut_off_in_the_middle_is_never_answered() -> None:
    """R-02: a child killed while it writes."""
    inner = ScriptedInference(means)
    with relayed(inner, in_flight=2, hang_up=lambda: None) as ends:
        os.write(ends[0], struct.pack("!II", 10, 100) + b'{"id"')
    assert inner.batches == []


def test_at_most_so_many_requests_are_held() -> None:
    """V-17: memory of the parent is bounded by what is in flight."""
    free, running, most = threading.Event(), 0, 0
    guard = threading.Lock()

    def count(batch: Pictures) -> Tensors:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
            if running == 2:
                free.set()
        free.wait(10)
        with guard:
            running -= 1
        return means(batch)

    with line(count, in_flight=2) as (session, _, _inner), ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: session.infer("plain", PICTURE), range(12)))
    assert most == 2
