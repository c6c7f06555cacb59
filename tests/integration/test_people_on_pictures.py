"""Do the real networks find real people, vehicles and nobody in tissue? Held to what was measured, with a margin."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from benchmarks.people import Eye, faces_under, masked_shares, measure
from benchmarks.things_truth import Annotated, annotated_pictures

from opendrape.adapters.policy_files import read_policy
from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape.settings import shipped
from opendrape_masker.detectors import available, build_detector
from opendrape_masker.detectors.nobody_inside import FACE_SCORE, NobodyInside
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.models_sync import sync
from tests.models_fixture import need_models

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = shipped("model_repository")
pytestmark = [pytest.mark.media, pytest.mark.models]
RULE = next(r for r in read_policy((shipped("policies"),), "full").detect if r.role is Role.PERSON_VEHICLE)


@pytest.fixture(scope="module")
def media() -> Path:
    folder = Path(os.environ.get("OPENDRAPE_TEST_MEDIA") or ROOT.parent / "shared" / "media" / "dev")
    if not folder.is_dir():
        pytest.skip("no clips: set OPENDRAPE_TEST_MEDIA")
    return folder


@pytest.fixture(scope="module")
def session(models_dir: Path) -> OnnxRuntimeSession:
    need_models(models_dir, Role.PERSON_VEHICLE)
    return OnnxRuntimeSession(models_dir, 2, 60)


@pytest.fixture(scope="module")
def annotated(media: Path) -> list[Annotated]:
    return list(annotated_pictures(media / "images_coco"))


@pytest.fixture(scope="module")
def eye(session: OnnxRuntimeSession) -> Eye:
    """People and vehicles as `full` looks for them."""
    people = build_detector(Role.PERSON_VEHICLE, session=session, repository=REPOSITORY, floor_score=RULE.weak_score)
    faces = build_detector(Role.FACE, session=session, repository=REPOSITORY, floor_score=FACE_SCORE)
    return Eye(NobodyInside(people, faces), RULE.long_side_pixels[0], RULE.strong_score, RULE.grow)


def test_people_and_vehicles_are_covered_as_well_as_by_the_best_published_look(
    eye: Eye, annotated: list[Annotated]
) -> None:
    """V-01: NanoDet-m at 416 and 0.25 covers 0.95 of the large people to 90 % and 0.99 to 50 %; this is no worse."""
    row = measure([eye], annotated)
    nine, five, count = row.hidden["person large"]
    assert count == 80
    assert nine >= 0.97
    assert five >= 0.99
    assert row.hidden["person all"][0] >= 0.85
    assert row.hidden["vehicle large"][0] >= 0.9
    assert row.false_alarms["person"] <= 60


def test_a_laparoscopy_is_not_masked_as_a_person_and_hands_are(eye: Eye, media: Path) -> None:
    """V-01: otherwise `full` would black what it is for; gloved hands over a pad are people."""
    bare = Eye(eye.detector.people, eye.long_side, eye.score, eye.grow)  # type: ignore[attr-defined]
    inside = media / "surgical" / "laparoscopy_720p_10s.mp4"
    assert masked_shares([bare], inside) > 0.5, "the network itself takes tissue for a person"
    assert masked_shares([eye], inside) < 0.02
    hands = media / "surgical" / "suturing_1080p_1s.mp4"
    assert masked_shares([eye], hands) == masked_shares([bare], hands) > 0.1


def test_heads_lie_under_the_masks_of_their_bodies(eye: Eye, media: Path) -> None:
    """V-03: where a face is not seen the body hides it."""
    for clip in ("portrait_720p_9s.mp4", "selfie_608x1080_20s.mp4"):
        covered, total = faces_under([eye], media / "clips" / clip)
        assert total >= 9
        assert covered == total, clip


def test_cars_in_a_street_are_told_from_people(session: OnnxRuntimeSession, media: Path) -> None:
    """V-01: classes reach the detections of both families."""
    with av.open(str(media / "clips" / "street_cars_640x352.mp4")) as container:
        picture = np.asarray(next(container.decode(video=0)).to_ndarray(format="bgr24"), np.uint8)
    for purpose in ("detect", "residual"):
        detector = build_detector(
            Role.PERSON_VEHICLE, session=session, repository=REPOSITORY, purpose=purpose, floor_score=0.3
        )
        [hits] = detector.detect([picture], [0])
        assert {hit.thing for hit in hits} & {Thing.CAR, Thing.TRUCK}
        assert Thing.PERSON not in {hit.thing for hit in hits}


def test_a_network_of_fixed_size_takes_any_picture(models_dir: Path) -> None:
    """V-17: the stretch is inside the graph; boxes come back in the picture's own pixels."""
    need_models(models_dir, Role.PLATE)
    session = OnnxRuntimeSession(models_dir, 2, 60)
    noise = np.random.default_rng(1).integers(0, 255, (150, 420, 3), np.uint8)
    answers = [session.infer("plate_lpd_barrier", picture[None]) for picture in (noise, noise[:, :90])]
    for answer in answers:
        assert (answer["boxes"].shape, answer["scores"].shape) == ((1, 1126, 4), (1, 1126, 3))
        np.testing.assert_allclose(answer["scores"].sum(axis=2), 1, atol=1e-4)
    assert not np.allclose(answers[0]["scores"], answers[1]["scores"])


def test_a_sites_own_folder_answers_before_ours(session: OnnxRuntimeSession, models_dir: Path, tmp_path: Path) -> None:
    """V-17: a copy of a real model under another name, with its own weights and lock, outside the repository."""
    weights = next(
        (path for path in _mirror().glob("*.onnx") if path.stat().st_size == 3713911 and "416" in path.name), None
    )
    if weights is None:
        pytest.skip("no weights to copy: set OPENDRAPE_TEST_MODELS")
    folder = tmp_path / "site" / "our_people"
    shutil.copytree(REPOSITORY / "things_yolox_nano", folder)
    shutil.copy(weights, folder / "ours.onnx")
    lock = (folder / "weights.lock").read_text("utf-8").replace('"yolox_nano.onnx"', '"ours.onnx"')
    head, _, tail = lock.partition('kind = "url"')
    lock = head + 'kind = "folder"\n' + tail.partition("\n[input]")[1] + tail.partition("\n[input]")[2]
    (folder / "weights.lock").write_text(lock.replace("preference = 1", "preference = 99"), "utf-8")
    places = (tmp_path / "site", REPOSITORY)
    sync((tmp_path / "site",), tmp_path / "models")
    shutil.copytree(models_dir / "onnxruntime" / "things_yolox_nano", tmp_path / "models/onnxruntime/things_yolox_nano")
    own = OnnxRuntimeSession(tmp_path / "models", 2, 60)
    assert available(Role.PERSON_VEHICLE, session=own, repository=places) == ["our_people", "things_yolox_nano"]
    picture = np.random.default_rng(2).integers(0, 255, (96, 160, 3), np.uint8)
    ours, theirs = own.infer("our_people", picture[None]), session.infer("things_yolox_nano", picture[None])
    np.testing.assert_array_equal(ours["boxes"], theirs["boxes"])


def _mirror() -> Path:
    return Path(os.environ.get("OPENDRAPE_TEST_MODELS") or ROOT.parent / "shared" / "models")
