"""Do the real models find what is really there? Measured against the ground truth of the development media."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from opendrape.domain.policy import Role
from opendrape_masker.detectors import Detection, Detector, Picture, available, build_detector, build_reader
from opendrape_masker.inference.repository import read_repository
from opendrape_masker.inference.session import OnnxRuntimeSession

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "model_repository"
pytestmark = [pytest.mark.media, pytest.mark.models]
Box = Sequence[float]


@pytest.fixture(scope="module")
def media() -> Path:
    folder = Path(os.environ.get("OPENDRAPE_TEST_MEDIA") or ROOT.parent / "shared" / "media" / "dev")
    if not folder.is_dir():
        pytest.skip("no clips: set OPENDRAPE_TEST_MEDIA")
    return folder


@pytest.fixture(scope="module")
def session(models_dir: Path) -> OnnxRuntimeSession:
    return OnnxRuntimeSession(models_dir, 2, 60)


def _detector(session: OnnxRuntimeSession, role: Role, purpose: Any, floor_score: float) -> Detector:
    if purpose == "residual" and len(available(role, session=session, repository=REPOSITORY)) < 2:
        pytest.skip("only one model of this role could be had")
    return build_detector(role, session=session, repository=REPOSITORY, purpose=purpose, floor_score=floor_score)


def _scaled(picture: Picture, long_side: int) -> tuple[Picture, float]:
    scale = long_side / max(picture.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method), np.uint8), scale


def _covered(box: Box, detections: Sequence[Detection], scale: float, grow: float) -> float:
    """Share of the true box that the grown detections cover."""
    x0, y0, x1, y1 = (round(value) for value in box)
    mask = np.zeros((max(1, y1 - y0), max(1, x1 - x0)), bool)
    for hit in detections:
        dx, dy = (hit.x1 - hit.x0) * grow, (hit.y1 - hit.y0) * grow
        left, top = round((hit.x0 - dx) / scale) - x0, round((hit.y0 - dy) / scale) - y0
        right, bottom = round((hit.x1 + dx) / scale) - x0, round((hit.y1 + dy) / scale) - y0
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return float(mask.mean())


def _shares(
    detector: Detector, pictures: Iterator[tuple[Picture, list[Box]]], long_side: int, grow: float
) -> list[float]:
    shares = []
    for picture, boxes in pictures:
        small, scale = _scaled(picture, long_side)
        [detections] = detector.detect([small], [0])
        shares += [_covered(box, detections, scale, grow) for box in boxes]
    return shares


def _faces(media: Path) -> Iterator[tuple[Picture, list[Box]]]:
    for truth in sorted((media / "images_faces").glob("*.face_gt.json")):
        picture = cv2.imread(str(truth.with_name(truth.name.replace(".face_gt.json", ".jpg"))))
        yield np.asarray(picture, np.uint8), [entry["box"] for entry in json.loads(truth.read_text())["boxes"]]


def _masked_faces(media: Path) -> Iterator[tuple[Picture, list[Box]]]:
    truth = json.loads((media / "masked_faces" / "masks.face_gt.json").read_text())
    for name in sorted(truth)[::16]:
        picture = cv2.imread(str(media / "masked_faces" / "masks" / name))
        yield np.asarray(picture, np.uint8), [entry["box"] for entry in truth[name]["boxes"]]


@pytest.mark.parametrize(("purpose", "whole"), [("detect", 24), ("residual", 23)])
def test_every_face_of_the_photographs_is_found(
    media: Path, session: OnnxRuntimeSession, purpose: str, whole: int
) -> None:
    """V-01, V-17: both face models see all 25 at the policy's strong score, nearly all of them wholly after growing."""
    shares = _shares(_detector(session, Role.FACE, purpose, 0.5), _faces(media), 640, 0.2)
    assert len(shares) == 25
    assert sum(share >= 0.9 for share in shares) >= whole
    assert min(shares) > 0.75


@pytest.mark.parametrize(("purpose", "least"), [("detect", 0.85), ("residual", 0.82)])
def test_most_faces_behind_masks_are_found_by_one_look(
    media: Path, session: OnnxRuntimeSession, purpose: str, least: float
) -> None:
    """V-01, V-17: staff wear masks; one look at the weak score, no tracking yet."""
    shares = _shares(_detector(session, Role.FACE, purpose, 0.2), _masked_faces(media), 640, 0.2)
    assert len(shares) > 80
    assert np.mean(np.array(shares) >= 0.9) >= least


def _overlay(media: Path, step: int) -> Iterator[tuple[Picture, list[dict[str, Any]]]]:
    truth = json.loads((media / "surgical" / "laparoscopy_overlay_720p_5s.text_gt.json").read_text())["frames"]
    with av.open(str(media / "surgical" / "laparoscopy_overlay_720p_5s.mp4")) as container:
        for number, frame in islice(enumerate(container.decode(video=0)), 0, None, step):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), truth[str(number)]


@pytest.mark.parametrize("long_side", [960, 1280])
def test_every_burned_in_line_is_found(media: Path, session: OnnxRuntimeSession, long_side: int) -> None:
    """V-04, V-17: all boxes, completely, at the strong score and without growing."""
    pictures = ((picture, [entry["box"] for entry in entries]) for picture, entries in _overlay(media, 40))
    shares = _shares(_detector(session, Role.TEXT, "detect", 0.5), pictures, long_side, 0.0)
    assert len(shares) >= 24
    assert min(shares) >= 0.99


def test_burned_in_lines_can_be_read(media: Path, session: OnnxRuntimeSession) -> None:
    """V-15, V-17: what the second look would read, were it not masked: every letter and digit."""
    picture, entries = next(_overlay(media, 200))
    reader = build_reader(session=session, repository=REPOSITORY)
    read = reader.read_text(picture, [tuple(entry["box"]) for entry in entries])
    assert [text.replace(" ", "") for text in read] == [entry["text"].replace(" ", "") for entry in entries]


def test_a_batch_answers_as_its_pictures_do_alone(media: Path, session: OnnxRuntimeSession) -> None:
    """V-17: batching changes nothing, for every model of the repository that could be had."""
    ready = [folder for folder in read_repository(REPOSITORY) if session.source_digest(folder.name)]
    assert ready
    for folder in ready:
        height = folder.lock.input.fixed_height or 96
        batch = np.random.default_rng(3).integers(0, 256, (folder.lock.max_batch, height, 160, 3), dtype=np.uint8)
        together = session.infer(folder.name, batch)
        for number in range(len(batch)):
            alone = session.infer(folder.name, batch[number : number + 1])
            for name, tensor in alone.items():
                np.testing.assert_allclose(together[name][number : number + 1], tensor, atol=1e-4)
