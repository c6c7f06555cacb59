"""Does ONNX Runtime in this process keep the contract of an inference session, and only run what was rendered?"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.inference.session import InferenceSession, OnnxRuntimeSession
from opendrape_masker.models_sync import sync
from tests.contract.inference_session_contract import InferenceSessionContract
from tests.fakes.tiny_models import add_model, plain_graph, slow_graph

PICTURE = np.zeros((1, 32, 32, 3), np.uint8)


class TestOnnxRuntimeSession(InferenceSessionContract):
    def serve(self, repository: Path, mirror: Path, *, deadline_seconds: float = 60) -> InferenceSession:
        models = repository.parent / "models"
        sync(repository, models, mirror=mirror)
        return OnnxRuntimeSession(models, 1, deadline_seconds)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """One good model called ``plain``, materialised."""
    add_model(tmp_path / "repository", "plain", plain_graph())
    (tmp_path / "plain.onnx").write_bytes(plain_graph())
    sync(tmp_path / "repository", tmp_path / "models", mirror=tmp_path)
    return tmp_path / "models"


@pytest.mark.parametrize("damage", ["cut", "flipped", "removed"])
def test_a_graph_that_is_not_the_rendered_one_is_never_run(models: Path, damage: str) -> None:
    """V-17: the digest is checked on the very bytes that are loaded."""
    graph = models / "onnxruntime" / "plain" / "1" / "model.onnx"
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    if damage == "removed":
        graph.unlink()
    with pytest.raises(ModelMissing):
        OnnxRuntimeSession(models, 1, 60).infer("plain", PICTURE)


def test_a_graph_with_a_right_digest_that_cannot_be_loaded_is_missing(models: Path) -> None:
    """V-17: errors of the runtime never come out as they are."""
    _tell(models, model_sha256=hashlib.sha256(b"").hexdigest())
    (models / "onnxruntime" / "plain" / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelMissing):
        OnnxRuntimeSession(models, 1, 60).infer("plain", PICTURE)


@pytest.mark.parametrize("dims", [[2, -1, -1], [3, -1], [3, 64, -1]])
def test_an_answer_of_another_shape_is_an_error(models: Path, dims: list[int]) -> None:
    """V-02, V-17: a decoder never sees a tensor it does not expect."""
    _tell(models, outputs=[{"name": "heatmap", "source": "answer", "dims": dims}])
    with pytest.raises(InferenceFailed) as caught:
        OnnxRuntimeSession(models, 1, 60).infer("plain", PICTURE)
    assert caught.value.reason == "inference_output_shape"


def test_a_graph_without_a_promised_output_is_missing(models: Path) -> None:
    """V-17: found when it is loaded, before any work."""
    _tell(models, outputs=[{"name": "unheard_of", "source": "answer", "dims": [3, -1, -1]}])
    with pytest.raises(ModelMissing, match="lacks an output"):
        OnnxRuntimeSession(models, 1, 60).infer("plain", PICTURE)


def test_a_refused_input_is_an_inference_error(tmp_path: Path) -> None:
    """V-02: what the runtime raises is told as a failed look."""
    lock = add_model(tmp_path / "repository", "plain", plain_graph()) / "weights.lock"
    lock.write_text(lock.read_text("utf-8").replace("[[output]]", "fixed_height = 48\n\n[[output]]"), "utf-8")
    (tmp_path / "plain.onnx").write_bytes(plain_graph())
    sync(tmp_path / "repository", tmp_path / "models", mirror=tmp_path)
    with pytest.raises(InferenceFailed) as caught:
        OnnxRuntimeSession(tmp_path / "models", 1, 60).infer("plain", PICTURE)
    assert caught.value.reason == "inference_failed"


def test_a_slow_call_is_ended_and_waiting_counts(tmp_path: Path) -> None:
    """V-17: calls in flight are bounded; the deadline covers the wait; a late call does not hold its slot."""
    add_model(tmp_path / "repository", "slow", slow_graph(4000))
    (tmp_path / "slow.onnx").write_bytes(slow_graph(4000))
    sync(tmp_path / "repository", tmp_path / "models", mirror=tmp_path)
    session = OnnxRuntimeSession(tmp_path / "models", 1, 0.2)
    batch = np.zeros((4, 640, 640, 3), np.uint8)
    reasons: list[str] = []

    def call() -> None:
        with pytest.raises(InferenceFailed) as caught:
            session.infer("slow", batch)
        reasons.append(caught.value.reason)

    started = time.monotonic()
    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert reasons == ["inference_timeout"] * 2
    # four thousand steps over five million numbers take minutes
    assert time.monotonic() - started < 30


@pytest.mark.timeout(20)
def test_a_call_does_not_wait_longer_than_its_deadline_for_a_slot(models: Path) -> None:
    """V-17: bounded in flight: with no slot there is no answer, and no endless wait."""
    with pytest.raises(InferenceFailed, match="busy") as caught:
        OnnxRuntimeSession(models, 0, 0.05).infer("plain", PICTURE)
    assert caught.value.reason == "inference_timeout"


def _tell(models: Path, **changes: object) -> None:
    record = models / "onnxruntime" / "plain" / "rendered.json"
    record.write_text(json.dumps(json.loads(record.read_text("utf-8")) | changes), "utf-8")
