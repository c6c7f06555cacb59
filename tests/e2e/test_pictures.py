"""V-13, V-14, I-02: still pictures go the whole way beside videos, and leave nothing of where and who behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from opendrape.media.limits import MediaLimits
from opendrape.media.stills.reading import facts_of, survivors
from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import Bench, write_policy
from tests.synthetic.picture_files import coded, jpeg_with, png_with, scene

MEDIA = Path(os.environ.get("OPENDRAPE_TEST_MEDIA") or Path(__file__).parents[2].parent / "shared" / "media" / "dev")
CANARIES = ("Zyxwvutsen", "Kvalheim", "19570418")
WORDS = b"Zyxwvutsen Kvalheim 19570418"
FACES = "2009_004587"


def real_faces() -> tuple[Any, list[tuple[float, ...]]]:
    """A photograph with people, and where their faces are."""
    path = MEDIA / "images_faces" / f"{FACES}.jpg"
    if not path.is_file():
        pytest.skip("no media: set OPENDRAPE_TEST_MEDIA")
    truth = json.loads(path.with_suffix(".face_gt.json").read_text())
    return cv2.imread(str(path)), [tuple(one["box"]) for one in truth["boxes"]]


@pytest.fixture(scope="module")
def bench(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("pictures")
    return Bench(folder / "state", folder / "out", models_dir, write_policy(folder / "policies"))


@pytest.fixture(scope="module")
def source(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, pictures with identities in names and metadata, one named as a video, and two that are refused."""
    folder = tmp_path_factory.mktemp("source")
    make_sample(folder, SampleRequest(seconds=1, width=320, height=180, faces=0, text=False))
    people, _ = real_faces()
    turned = np.ascontiguousarray(np.rot90(people, 1))
    (folder / "Zyxwvutsen Kvalheim 19570418.jpg").write_bytes(
        jpeg_with(coded(".jpg", turned, cv2.IMWRITE_JPEG_QUALITY, 95), words=WORDS, orientation=6)
    )
    (folder / "Kvalheim.mp4").write_bytes(png_with(coded(".png", people), words=WORDS))
    transparent = np.dstack([scene(), np.full((96, 128), 100, np.uint8)])
    (folder / "transparent.png").write_bytes(coded(".png", transparent))
    (folder / "cut.jpg").write_bytes(coded(".jpg", people)[:-2000])
    return folder


@pytest.fixture(scope="module")
def done(bench: Bench, source: Path) -> tuple[int, dict[str, Any]]:
    return bench.run(source)


def delivered(bench: Bench, ending: str) -> Path:
    (path,) = bench.output.rglob(f"*{ending}")
    return path


def test_pictures_and_videos_of_one_folder_are_delivered_side_by_side(
    bench: Bench, done: tuple[int, dict[str, Any]]
) -> None:
    """I-02, V-13: by content, not by name; what cannot be masked as it is is refused with its reason."""
    code, result = done
    states = {(asset["state"], asset["reason"]) for asset in result["assets"]}
    assert code == 1, "some were refused"
    assert states == {("delivered", None), ("failed", "image_transparency"), ("failed", "truncated")}
    endings = sorted(path.suffix for path in bench.output.rglob("*") if path.is_file() and path.suffix != ".json")
    assert endings == [".jpg", ".mp4", ".png"]
    pictures = [asset for asset in result["assets"] if asset["asset"].startswith("z")]
    assert len(pictures) == 4
    assert all(asset["receipt_verified"] for asset in result["assets"] if asset["state"] == "delivered")


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_real_faces_are_hidden_and_the_rest_stays(bench: Bench, done: tuple[int, dict[str, Any]], ending: str) -> None:
    """V-13, V-10: upright, every annotated face covered, everything else as it was."""
    assert done
    before, faces = real_faces()
    after = cv2.imread(str(delivered(bench, ending)), cv2.IMREAD_UNCHANGED)
    assert after.shape == before.shape, "turned upright"
    black = after.max(axis=2) < 40
    for x0, y0, x1, y1 in faces:
        assert black[round(y0) : round(y1), round(x0) : round(x1)].mean() > 0.8, (x0, y0, x1, y1)
    assert black.mean() < 0.5
    if ending == ".png":
        changed = (after != before).any(axis=2)
        assert black[changed].all(), "a lossless picture changes under masks only"


def test_nothing_but_the_picture_is_in_what_is_delivered(bench: Bench, done: tuple[int, dict[str, Any]]) -> None:
    """V-14, P-05: no EXIF, GPS, comment or trailing byte; no name in any output, receipt, or line of the run."""
    assert done
    for ending in (".jpg", ".png"):
        file = delivered(bench, ending).read_bytes()
        facts = facts_of(file, MediaLimits())
        assert survivors(file, facts) == ()
        assert not any(word in file for word in (b"Exif", b"eXIf", b"GPS", b"42.123456"))
    for path in bench.output.rglob("*"):
        named = path.relative_to(bench.output).as_posix()
        content = path.read_bytes() if path.is_file() else b""
        assert not any(word in named or word.encode() in content for word in CANARIES), "an identity leaked"
    assert not any(word in json.dumps(done[1]) for word in CANARIES)


def test_the_receipt_speaks_of_the_picture_and_can_be_verified(bench: Bench, done: tuple[int, dict[str, Any]]) -> None:
    """D-06: digests, what was masked, how much metadata was left behind."""
    assert done
    output = delivered(bench, ".jpg")
    signed = output.with_name(f"{output.stem}.receipt.json")
    receipt = json.loads(signed.read_text())["receipt"]
    assert receipt["output"]["name"].endswith(".jpg")
    assert receipt["scrub"] == {"metadata_blocks": 5}
    assert (receipt["report"]["frames"], receipt["report"]["masked_frames"]) == (1, 1)
    assert receipt["report"]["detections"]["face"] >= 1
    checked = subprocess.run(
        [sys.executable, "-m", "opendrape.cli", "receipts", "verify", str(signed), "--json"],
        env=bench.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_second_run_changes_nothing(bench: Bench, source: Path, done: tuple[int, dict[str, Any]]) -> None:
    """I-04: known content is not masked twice."""
    assert done
    before = {path: path.stat().st_mtime_ns for path in bench.output.rglob("*") if path.is_file()}
    _, again = bench.run(source)
    assert again["files"]["counts"].get("new", 0) == 0
    assert {path: path.stat().st_mtime_ns for path in bench.output.rglob("*") if path.is_file()} == before


def test_mask_takes_a_picture_and_keeps_its_family(tmp_path: Path) -> None:
    """V-13, C-01: one file, one region; an ending of another family is refused before anything is written."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(png_with(coded(".png", scene()), words=WORDS))
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(tmp_path / "state")}

    def mask(output: Path) -> subprocess.CompletedProcess[str]:
        more = ["--output", str(output), "--policy", "minimal", "--region", "32,24,40,32", "--json"]
        command = [sys.executable, "-m", "opendrape.cli", "mask", str(picture), *more]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    refused = mask(tmp_path / "masked.jpg")
    assert refused.returncode != 0
    assert not (tmp_path / "masked.jpg").exists()
    done = mask(tmp_path / "masked.png")
    assert done.returncode == 0, done.stderr
    after = cv2.imread(str(tmp_path / "masked.png"), cv2.IMREAD_UNCHANGED)
    changed = (after != scene()).any(axis=2)
    assert changed[24:56, 32:72].mean() > 0.9
    assert changed.sum() <= 44 * 36
    assert WORDS not in (tmp_path / "masked.png").read_bytes()
