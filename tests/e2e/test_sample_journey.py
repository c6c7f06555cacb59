"""The whole journey on the sample, judged by exact truth: covered, unreadable, unnamed, signed (acceptance 1 and 2)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opendrape.settings import Settings
from opendrape_masker.synthetic import SampleRequest, SampleTruth, make_sample
from opendrape_uploader.receipts import verify
from tests.synthetic.judge import Judge, grep_bytes, grep_canaries, uncovered, wrong_times

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Journey:
    """One finished run of the command line."""

    truth: SampleTruth
    folder: Path
    output: Path
    result: dict[str, Any]
    said: bytes

    @property
    def video(self) -> Path:
        (video,) = self.output.rglob("*.mp4")
        return video

    @property
    def receipt(self) -> dict[str, Any]:
        (path,) = self.output.rglob("*.receipt.json")
        signed: dict[str, Any] = json.loads(path.read_text())
        return signed["receipt"]


@pytest.fixture(scope="module", params=["every-model", "without-yunet"])
def journey(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Journey:
    """The sample of `make run`, through `opendrape run` with the default policy and verbose JSON logs.

    Twice: with every model, and as on a machine that could not fetch YuNet, where CenterFace does both looks.
    """
    folder = tmp_path_factory.mktemp("journey")
    truth = make_sample(folder / "in", SampleRequest())
    shutil.copytree(models_dir, folder / "state" / "models")
    if request.param == "without-yunet":
        shutil.rmtree(folder / "state" / "models" / "onnxruntime" / "face_yunet_n")
    environment = os.environ | {
        "OPENDRAPE_STATE_DIR": str(folder / "state"),
        "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
        "OPENDRAPE_LOG__LEVEL": "debug",
        "OPENDRAPE_LOG__STYLE": "json",
    }
    done = subprocess.run(
        [sys.executable, "-m", "opendrape.cli", "run", str(folder / "in"), "--output", str(folder / "out"), "--json"],
        env=environment,
        capture_output=True,
        timeout=800,
        cwd=folder,
    )
    (folder / "stderr.log").write_bytes(done.stderr)
    assert done.returncode == 0, done.stderr[-3000:]
    return Journey(truth, folder, folder / "out", json.loads(done.stdout), done.stdout + done.stderr)


def test_every_true_face_and_text_box_is_covered_in_every_frame(journey: Journey) -> None:
    """V-02, V-03, V-04, V-16: at least 99 % of every true box, in all frames, at the right time."""
    assert wrong_times(journey.truth, journey.video) == []
    assert uncovered(journey.truth, journey.video, least=0.99) == []


@pytest.mark.parametrize("every", [10, pytest.param(3, marks=pytest.mark.long)])
def test_nobody_is_found_and_nothing_is_read_in_the_output(journey: Journey, models_dir: Path, every: int) -> None:
    """V-15: an independent look has no face hit that touches a true face, reads no planted text within distance 2."""
    judge = Judge.of(models_dir, Settings().model_repository)
    assert judge.look(journey.truth, journey.video, every=every, read_every=4) == []


def test_no_identity_is_left_anywhere(journey: Journey) -> None:
    """P-04, P-05, V-09: outputs, database, key map, logs, work folder, JSON: the canaries are nowhere."""
    assert (
        grep_canaries(
            [journey.folder / "out", journey.folder / "state", journey.folder / "stderr.log"], journey.truth.canaries
        )
        == []
    )
    assert grep_bytes(journey.said, journey.truth.canaries) == []
    source = next((journey.folder / "in").iterdir())
    assert grep_bytes(source.read_bytes(), journey.truth.canaries), "the canaries were never planted"


def test_the_receipt_accounts_for_every_frame_and_verifies(journey: Journey) -> None:
    """D-06, V-02: signed, true to the output, every frame in one of three counts for every role."""
    (path,) = journey.output.rglob("*.receipt.json")
    key = journey.folder / "state" / "keys" / "receipt.pem.pub"
    assert verify(path, public_key=key, output=journey.video).ok
    report = journey.receipt["report"]
    assert report["frames"] == len(journey.truth.frames)
    assert set(report["accounts"]) == {"face", "text"}
    for account in report["accounts"].values():
        assert sum(account.values()) == report["frames"]
    assert report["detections"]["face"] > 20
    assert report["tracks"]["face"] >= 1
    assert report["checks"]["frames_checked"] == report["frames"]
    assert report["checks"]["residual_findings"] == []
    assert report["checks"]["worst_psnr_db"] > 30
    assert journey.receipt["residual"] in ("other-detector", "other-scale")


def test_a_masker_child_stays_under_its_memory(journey: Journey) -> None:
    """Acceptance 5: under 900 MB for 1080p."""
    assert journey.receipt["report"]["peak_memory_bytes"] < 900 * 10**6


def test_the_sample_is_asked_for_by_exit_code_and_json(journey: Journey) -> None:
    """C-02: machine-readable result."""
    assert journey.result["exit_code"] == 0
    assert [asset["state"] for asset in journey.result["assets"]] == ["delivered"]
