"""V-02, V-17, R-02: what does a session say when a real Triton is killed, frozen, slow, or serves something else?"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from opendrape.domain.policy import Role
from opendrape.errors import InferenceFailed, ModelMissing, OpenDrapeError
from opendrape_masker.inference.targets import Target
from opendrape_masker.inference.triton_session import TritonSession
from opendrape_masker.models_sync import sync
from tests.fakes.tiny_models import add_model, plain_graph, slow_graph
from tests.servers.process import free_port
from tests.servers.triton import Triton, triton

pytestmark = pytest.mark.timeout(90)

PICTURE = np.zeros((1, 32, 32, 3), np.uint8)
LARGE = np.zeros((2, 640, 640, 3), np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a quick and a very slow model, rendered."""
    folder = tmp_path_factory.mktemp("triton")
    for name, graph in {"plain": plain_graph(), "slow": slow_graph(4000)}.items():
        add_model(folder / "repository", name, graph)
        (folder / f"{name}.onnx").write_bytes(graph)
    sync(folder / "repository", folder / "models", mirror=folder, target=Target.TRITON_PYTHON)
    return folder


@pytest.fixture(scope="module")
def shared(place: Path) -> Iterator[Triton]:
    with triton(place / "models" / "triton-python", place / "server") as server:
        yield server


@pytest.fixture
def server(shared: Triton) -> Triton:
    """A server that answers, whatever the test before did to it."""
    if not shared.is_well():
        shared.stop()
        shared.start()
    return shared


@pytest.fixture
def opened() -> Iterator[list[TritonSession]]:
    sessions: list[TritonSession] = []
    yield sessions
    for session in sessions:
        session.close()


def session_on(
    opened: list[TritonSession], place: Path, *urls: str, deadline_seconds: float = 30.0, in_flight: int = 2
) -> TritonSession:
    """A session that is closed when the test ends."""
    opened.append(TritonSession(place / "repository", urls, in_flight=in_flight, deadline_seconds=deadline_seconds))
    return opened[-1]


def said(call: object) -> OpenDrapeError:
    """The error of a call that must fail."""
    with pytest.raises(OpenDrapeError) as caught:
        call()  # type: ignore[operator]
    return caught.value


def test_a_server_that_is_killed_is_told_at_once_and_used_again_when_it_is_back(
    server: Triton, place: Path, opened: list[TritonSession]
) -> None:
    """R-02: the same session goes on after the restart; nobody waits for the deadline."""
    session = session_on(opened, place, server.url)
    assert server.running is not None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(session.infer, "slow", LARGE)
        session.infer("plain", PICTURE)
        server.running.kill()
        started = time.monotonic()
        error = said(waiting.result)
    assert (type(error), error.reason) == (InferenceFailed, "inference_unavailable")
    assert said(lambda: session.infer("plain", PICTURE)).reason == "inference_unavailable"
    assert said(lambda: session.source_digest("plain")).reason == "inference_unavailable"
    assert said(lambda: session.check({Role.FACE})).reason == "inference_unavailable"
    assert time.monotonic() - started < 15
    server.start()
    _wait_for(lambda: session.infer("plain", PICTURE)["heatmap"].shape == (1, 3, 32, 32))
    session.check({Role.FACE})


def test_a_frozen_server_is_a_time_out_and_goes_on_where_it_was(
    server: Triton, place: Path, opened: list[TritonSession]
) -> None:
    """V-02: open ports and no answer: the deadline ends it."""
    session = session_on(opened, place, server.url, deadline_seconds=0.5)
    session.infer("plain", PICTURE)
    assert server.running is not None
    server.running.freeze()
    try:
        started = time.monotonic()
        error = said(lambda: session.infer("plain", PICTURE))
        assert time.monotonic() - started < 5
    finally:
        server.running.thaw()
    assert (type(error), error.reason) == (InferenceFailed, "inference_timeout")
    _wait_for(lambda: session.infer("plain", PICTURE)["heatmap"].shape == (1, 3, 32, 32))


def test_a_slow_call_ends_on_the_server_too(server: Triton, place: Path, opened: list[TritonSession]) -> None:
    """V-17: minutes of work are given up with the call, so that the next one finds the model free."""
    session = session_on(opened, place, server.url, deadline_seconds=0.3)
    assert said(lambda: session.infer("slow", LARGE)).reason == "inference_timeout"
    later = session_on(opened, place, server.url, deadline_seconds=30.0)
    assert later.infer("slow", PICTURE)["heatmap"].shape == (1, 3, 32, 32)


@pytest.mark.parametrize("trouble", ["gone", "frozen"])
def test_another_replica_answers_and_the_bad_one_is_left_alone(
    server: Triton, place: Path, opened: list[TritonSession], tmp_path: Path, trouble: str
) -> None:
    """R-03: one replica that does not answer costs time once, not an error."""
    other = Triton.over(place / "models" / "triton-python", tmp_path / "other")
    url = f"127.0.0.1:{free_port()}"
    try:
        if trouble == "frozen":
            other.start()
            assert other.running is not None
            other.running.freeze()
            url = other.url
        session = session_on(opened, place, url, server.url, deadline_seconds=3.0)
        for _ in range(2):  # each is first in turn once
            assert session.infer("plain", PICTURE)["heatmap"].shape == (1, 3, 32, 32)
        started = time.monotonic()
        for _ in range(10):
            session.infer("plain", PICTURE)
        assert time.monotonic() - started < 1.5
        assert said(lambda: session.check({Role.FACE})).reason in ("inference_unavailable", "inference_timeout")
    finally:
        if other.running is not None:
            other.running.thaw()
        other.stop()


def test_with_no_slot_free_a_call_waits_for_its_deadline_and_no_longer(
    server: Triton, place: Path, opened: list[TritonSession]
) -> None:
    """V-17: bounded in flight; waiting counts."""
    session = session_on(opened, place, server.url, deadline_seconds=0.5, in_flight=1)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(session.infer, "slow", LARGE) for _ in range(2)]
        assert [said(call.result).reason for call in calls] == ["inference_timeout"] * 2


def test_a_session_that_is_closed_leaves_nobody_waiting(
    server: Triton, place: Path, opened: list[TritonSession]
) -> None:
    """R-02: a lost lease does not wait for a deadline."""
    session = session_on(opened, place, server.url, deadline_seconds=60.0)
    errors: list[OpenDrapeError] = []
    caller = threading.Thread(target=lambda: errors.append(said(lambda: session.infer("slow", LARGE))))
    caller.start()
    session.infer("plain", PICTURE)
    session.close()
    caller.join(timeout=20)
    assert [error.reason for error in errors] == ["inference_unavailable"]
    assert said(lambda: session.infer("plain", PICTURE)).reason == "inference_unavailable"


def test_another_rendering_under_the_same_name_is_refused(
    server: Triton, place: Path, opened: list[TritonSession], tmp_path: Path
) -> None:
    """V-17: the version that is asked for is made from the lock; a server with another lock does not have it."""
    shutil.copytree(place / "repository", tmp_path / "repository")
    lock = tmp_path / "repository" / "plain" / "weights.lock"
    lock.write_text(lock.read_text("utf-8").replace("mean = [1.0", "mean = [0.0"), "utf-8")
    session = session_on(opened, tmp_path, server.url)
    assert session.source_digest("plain") is None
    assert session.source_digest("slow") is not None
    assert isinstance(said(lambda: session.infer("plain", PICTURE)), ModelMissing)
    assert isinstance(said(lambda: session.check({Role.FACE, Role.TEXT})), ModelMissing)


def test_a_graph_that_was_altered_on_the_server_is_never_served(
    place: Path, opened: list[TritonSession], tmp_path: Path
) -> None:
    """V-17: the server's own program digests the graph before it runs it."""
    models = tmp_path / "triton-python"
    shutil.copytree(place / "models" / "triton-python", models)
    (graph,) = models.glob("plain/*/model.onnx")
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    other = Triton.over(models, tmp_path / "other")
    try:
        other.start(wait_for="live")
        session = session_on(opened, place, other.url)
        assert session.source_digest("slow") is not None
        assert session.source_digest("plain") is None
        assert said(lambda: session.check({Role.FACE})).reason == "inference_unavailable"
        with pytest.raises((ModelMissing, InferenceFailed)):
            session.infer("plain", PICTURE)
    finally:
        other.stop()


def _wait_for(is_so: object, *, seconds: float = 20.0) -> None:
    end, pause = time.monotonic() + seconds, threading.Event()
    while True:
        try:
            assert is_so()  # type: ignore[operator]
            return
        except InferenceFailed:
            assert time.monotonic() < end
            pause.wait(0.1)
