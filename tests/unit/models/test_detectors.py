"""Do pictures of any size reach the model whole, and do answers come back to the right picture?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opendrape.domain.policy import Role
from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.detectors import available, build_detector, build_reader
from opendrape_masker.detectors.detection import Boxes, ModelFacts
from opendrape_masker.detectors.model_detector import ModelDetector, padded
from opendrape_masker.detectors.reading import TextReader
from opendrape_masker.inference.repository import read_repository
from opendrape_masker.inference.session import Pictures, Tensors
from tests.fakes.inference import ScriptedInference
from tests.fakes.tiny_models import add_model

FACTS = ModelFacts(name="tiny", role=Role.FACE, sha256="0" * 64)


def _brightest(batch: Pictures) -> Tensors:
    return {"sums": batch[..., 0].astype(np.float32)}


def _box_at_brightest(tensors: Tensors, size: tuple[int, int], floor_score: float) -> list[Boxes]:
    """A box of 4x4 pixels whose corner is the brightest pixel, and one that covers far too much."""
    rows = []
    for plane in tensors["sums"]:
        y, x = np.unravel_index(int(plane.argmax()), plane.shape)
        rows.append(np.array([[x, y, x + 4, y + 4, 0.9], [-9, -9, 999, 999, floor_score]], np.float32))
    return rows


def _detector(session: ScriptedInference, max_batch: int = 2) -> ModelDetector:
    return ModelDetector(
        model=FACTS, session=session, decode=_box_at_brightest, multiple=32, max_batch=max_batch, floor_score=0.25
    )


def _picture(height: int, width: int, x: int, y: int) -> Pictures:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y, x] = 255
    return picture


def test_padding_is_black_below_and_on_the_right_only() -> None:
    """V-17: never distorted, coordinates stay."""
    picture = np.full((33, 50, 3), 7, np.uint8)
    [batch] = padded([picture], 32)
    assert batch.shape == (64, 64, 3)
    assert (batch[:33, :50] == 7).all()
    assert batch.sum() == picture.sum()
    assert padded([picture[:32, :32]], 32).shape == (1, 32, 32, 3)


def test_mixed_sizes_come_back_in_order_and_in_their_own_pixels() -> None:
    """V-17: pictures of one size go together, at most as many as the model takes; boxes are clipped to the picture."""
    session = ScriptedInference(_brightest)
    places = [(40, 70, 5, 6), (64, 64, 60, 62), (40, 70, 69, 39), (40, 70, 1, 2)]
    pictures = [_picture(*place) for place in places]
    found = _detector(session).detect(pictures, [10, 11, 12, 13])
    assert [batch.shape[0] for batch in session.batches] == [2, 1, 1]
    for (height, width, x, y), frame, detections in zip(places, (10, 11, 12, 13), found, strict=True):
        near, all_over = detections
        assert (near.frame, near.role, near.score) == (frame, Role.FACE, pytest.approx(0.9))
        assert (near.x0, near.y0, near.x1, near.y1) == (x, y, min(x + 4, width), min(y + 4, height))
        assert (all_over.x0, all_over.y0, all_over.x1, all_over.y1) == (0, 0, width, height)
        assert all_over.score == 0.25


def test_a_box_in_the_padding_is_not_a_detection() -> None:
    """V-17: there is no picture there."""
    session = ScriptedInference(
        lambda batch: {"sums": np.pad(np.ones((1, 1, 1), np.float32), ((0, 0), (39, 0), (60, 0)))}
    )
    [[all_over]] = _detector(session).detect([_picture(33, 50, 0, 0)], [0])
    assert all_over.score == 0.25


def test_no_pictures_are_no_calls_and_unequal_lengths_are_an_error() -> None:
    """V-17: nothing is guessed."""
    session = ScriptedInference(_brightest)
    assert _detector(session).detect([], []) == []
    assert session.batches == []
    with pytest.raises(ValueError, match="one frame number"):
        _detector(session).detect([_picture(32, 32, 0, 0)], [])


def test_a_failed_look_is_never_an_empty_list() -> None:
    """V-02: the error of the session reaches the caller."""

    def fail(batch: Pictures) -> Tensors:
        raise InferenceFailed(reason="inference_timeout")

    with pytest.raises(InferenceFailed):
        _detector(ScriptedInference(fail)).detect([_picture(32, 32, 0, 0)], [0])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    add_model(tmp_path, "slow_but_there", b"1", preference=2)
    add_model(tmp_path, "quick", b"2", preference=1)
    add_model(tmp_path, "words", b"3", role="text", decoder="differentiable-binarization")
    add_model(tmp_path, "reader", b"4", role="text-recognition", decoder="ctc")
    return tmp_path


def _served(repository: Path, *names: str) -> ScriptedInference:
    digests = {folder.name: folder.lock.weights.sha256 for folder in read_repository(repository)}
    return ScriptedInference(_brightest, {name: digests[name] for name in names})


def test_the_second_look_takes_another_model_when_there_is_one(repository: Path) -> None:
    """V-15, V-17: preferred model for detection, the next one for the residual check, alone it does both."""
    both = _served(repository, "quick", "slow_but_there")
    one = _served(repository, "slow_but_there")

    def name(session: ScriptedInference, purpose: str) -> str:
        return build_detector(
            Role.FACE, session=session, repository=repository, purpose=purpose, floor_score=0.5
        ).model.name

    assert [name(both, "detect"), name(both, "residual")] == ["quick", "slow_but_there"]
    assert [name(one, "detect"), name(one, "residual")] == ["slow_but_there", "slow_but_there"]
    assert available(Role.FACE, session=both, repository=repository) == ["quick", "slow_but_there"]


def test_a_role_without_a_model_is_an_error_before_any_work(repository: Path) -> None:
    """V-17: also when what is materialised is not what the lock pins, and when the model cannot detect."""
    stale = ScriptedInference(_brightest, {"quick": "0" * 64})
    for role, session in (
        (Role.FACE, stale),
        (Role.TEXT, stale),
        (Role.TEXT_RECOGNITION, _served(repository, "reader")),
    ):
        with pytest.raises(ModelMissing):
            build_detector(role, session=session, repository=repository, floor_score=0.5)
    with pytest.raises(ModelMissing):
        build_reader(session=stale, repository=repository)
    assert available(Role.FACE, session=stale, repository=repository) == []


def test_lines_are_read_at_one_height_and_come_back_in_the_order_asked() -> None:
    """V-17: the widest line sets the batch's width; empty boxes read as nothing."""

    def answer(batch: Pictures) -> Tensors:
        scores = np.zeros((len(batch), 1, 3), np.float32)
        for line, picture in enumerate(batch):
            scores[line, 0, 1 if picture[0, 0, 0] > 100 else 2] = 1
        return {"characters": scores}

    session = ScriptedInference(answer)
    reader = TextReader(model=FACTS, session=session, alphabet=("", "w", "b"), max_batch=2)
    picture = np.zeros((40, 200, 3), np.uint8)
    picture[:, :100] = 255
    boxes = [(0.0, 0.0, 90.0, 20.0), (110.0, 0.0, 130.0, 20.0), (5.0, 5.0, 5.0, 9.0), (10.0, 0.0, 30.0, 40.0)]
    assert reader.read_text(picture, boxes) == ["w", "b", "", "w"]
    assert [batch.shape for batch in session.batches] == [(2, 48, 64, 3), (1, 48, 224, 3)]
