"""V-01: policy `full` on real people, end to end: each is painted over, and the report says what was found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from benchmarks.things_truth import COCO, GROUPS

from opendrape.domain.policy import Role
from tests.models_fixture import need_models
from tests.synthetic.judge import pictures

pytestmark = [pytest.mark.media, pytest.mark.models]
ROOT = Path(__file__).resolve().parents[2]
SIZE = (640, 480)
HELD = 12  # frames that each picture is shown for: long enough for two looks
PICTURES = 5
BLACK = 40


@pytest.fixture(scope="module")
def people() -> list[tuple[np.ndarray, list[tuple[float, ...]]]]:
    """Pictures with one to four people, each of at least a twentieth of the picture, and their boxes; 640 x 480."""
    folder = Path(os.environ.get("OPENDRAPE_TEST_MEDIA") or ROOT.parent / "shared" / "media" / "dev") / "images_coco"
    if not folder.is_dir():
        pytest.skip("no pictures: set OPENDRAPE_TEST_MEDIA")
    return list(islice((found for path in sorted(folder.glob("*.jpg")) if (found := _shown(path))), PICTURES))


def _shown(path: Path) -> tuple[np.ndarray, list[tuple[float, ...]]] | None:
    rows = [line.split() for line in path.with_suffix(".txt").read_text().splitlines() if line]
    boxes = [tuple(map(float, row[1:])) for row in rows if COCO.get(int(row[0])) in GROUPS["person"]]
    if not 1 <= len(boxes) <= 4 or min(width * height for _, _, width, height in boxes) < 0.05:
        return None
    picture = cv2.resize(cv2.imread(str(path)), SIZE, interpolation=cv2.INTER_AREA)
    return picture, [_pixels(*box) for box in boxes]


def _pixels(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    across, down = SIZE
    return ((x - width / 2) * across, (y - height / 2) * down, (x + width / 2) * across, (y + height / 2) * down)


@pytest.fixture(scope="module")
def clip(people: list[tuple[np.ndarray, list[tuple[float, ...]]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each picture shown for a while, 25 a second."""
    path = tmp_path_factory.mktemp("people") / "people.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for number in range(len(people) * HELD):
            frame = av.VideoFrame.from_ndarray(people[number // HELD][0], format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def masked(clip: Path, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """The clip under `full`, and the report."""
    need_models(models_dir, Role.PERSON_VEHICLE, Role.SCREEN)
    folder = tmp_path_factory.mktemp("masked")
    (folder / "state").mkdir()
    (folder / "state" / "models").symlink_to(models_dir, target_is_directory=True)
    output = folder / "masked.mp4"
    command = [sys.executable, "-m", "opendrape.cli", "mask", str(clip), "--output", str(output), "--policy", "full"]
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(folder / "state")}
    done = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return output, json.loads(done.stdout)["report"]


def test_every_person_is_painted_over_in_every_frame(
    masked: tuple[Path, dict[str, object]], people: list[tuple[np.ndarray, list[tuple[float, ...]]]]
) -> None:
    """V-01, V-03: at least 90 % of each true box is black, from the first frame that shows it to the last."""
    shares = []
    for number, shown in enumerate(pictures(masked[0])):
        for x0, y0, x1, y1 in people[number // HELD][1]:
            part = shown.luma[max(0, round(y0)) : round(y1), max(0, round(x0)) : round(x1)]
            shares.append(float((part <= BLACK).mean()))
    assert len(shares) >= PICTURES * HELD
    assert min(shares) >= 0.9, sorted(shares)[:HELD]


def test_the_report_counts_people_and_names_both_models(masked: tuple[Path, dict[str, object]]) -> None:
    """V-02, V-17: by class of thing; which weights looked, and what for."""
    report = masked[1]
    assert report["things"]["person"] >= PICTURES  # type: ignore[index]
    looked = {(use["purpose"], use["role"]): use["model"] for use in report["models"]}  # type: ignore[attr-defined]
    assert looked["detect", "person-vehicle"] == "things_yolox_nano"
    assert ("residual", "person-vehicle") in looked
    account = report["accounts"]["person-vehicle"]  # type: ignore[index]
    assert sum(account.values()) == report["frames"] == PICTURES * HELD
