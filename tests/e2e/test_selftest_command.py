"""V-15: `opendrape selftest` measures what is missed, and fails when the masker does not mask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from opendrape_masker.synthetic.suite import SuiteTruth
from tests.synthetic.judge import pictures

SMALL = ("--seconds", "3", "--width", "640", "--height", "360", "--events", "9", "--json")

BIG_FACES = """
version = 1
name = "quick"
summary = "Faces and text at one size, every tenth of a second, no second look."

[[detect]]
role = "face"
max_gap_seconds = "0.1"
long_side_pixels = [640]
strong_score = 0.5
weak_score = 0.2
grow = 0.3

[[detect]]
role = "text"
max_gap_seconds = "0.5"
motion = "static"
long_side_pixels = [640]
strong_score = 0.5
weak_score = 0.5
"""


def selftest(folder: Path, *arguments: str, models: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Run the command with a state folder of its own; exit code and JSON result."""
    state = folder / "state"
    state.mkdir(exist_ok=True)
    if models is not None and not (state / "models").exists():
        (state / "models").symlink_to(models, target_is_directory=True)
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(state), "OPENDRAPE_POLICIES_DIR": str(folder)}
    command = [sys.executable, "-m", "opendrape.cli", "selftest", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_masker_that_masks_nothing_fails_with_no_recall(tmp_path: Path) -> None:
    """V-15: under `minimal` nobody looks, so every insertion stays open; names still leave the bytes."""
    code, answer = selftest(tmp_path, "--policy", "minimal", *SMALL, "--output", str(tmp_path / "kept"))
    assert code == 1
    (clip,) = answer["result"]["clips"]
    assert len(clip["events"]) >= 4
    assert sum(event["covered"] for event in clip["events"]) == 0
    assert all(event["promised"] for event in clip["events"] if event["size"] != "12-20" or event["kind"] == "text")
    assert clip["surviving_identities"] == []
    assert clip["surviving_audio_streams"] == 0
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        "selftest.json",
        "selftest-1-source.mp4",
        "selftest-1-masked.mp4",
        "selftest-1-truth.json",
    }
    truth = SuiteTruth.read(tmp_path / "kept" / "selftest-1-truth.json")
    assert len(truth.frames) == 90
    assert len({event["name"] for event in clip["events"]}) == len(truth.appearances)


@pytest.mark.models
def test_the_real_masker_covers_what_it_promises_and_never_all_by_masking_everything(
    tmp_path: Path, models_dir: Path
) -> None:
    """V-02, V-15: real models on a small suite, in a foreign clip: far more than nothing, without painting it all."""
    clip = tmp_path / "clip"
    make_sample(clip, SampleRequest(seconds=3, width=640, height=360, faces=0, text=False), file_name="a.mp4")
    (tmp_path / "quick.toml").write_text(BIG_FACES)
    asked = ("--policy", "quick", "--minimum-events", "0.5", "--minimum-frames", "0.5", *SMALL)
    code, answer = selftest(tmp_path, "--clip", str(clip / "a.mp4"), *asked, models=models_dir)
    (judged,) = answer["result"]["clips"]
    seen = [event for event in judged["events"] if event["kind"] == "face" and event["size"] == "64-128"]
    assert any(event["covered"] == event["frames"] for event in seen)
    assert judged["masked_elsewhere"] < 0.5
    assert judged["surviving_identities"] == []
    assert (code == 0) == answer["passed"]
    assert judged["clip"] == "1"


def test_a_clip_of_ten_bits_and_odd_size_carries_a_suite_with_the_same_times(tmp_path: Path) -> None:
    """V-10: any clip can be tested; nothing of it is lost but depth."""
    request = SampleRequest(
        seconds=Fraction(2),
        width=361,
        height=241,
        rate=Fraction(15),
        faces=0,
        pixel_format="yuv444p10le",
        variable_rate=True,
    )
    truth = make_sample(tmp_path / "in", request, file_name="odd.mp4")
    kept = tmp_path / "kept"
    arguments = ("--policy", "minimal", "--clip", str(tmp_path / "in" / "odd.mp4"), "--events", "3", "--json")
    code, _ = selftest(tmp_path, *arguments, "--output", str(kept))
    assert code == 1
    shown = list(pictures(kept / "selftest-1-source.mp4"))
    assert [picture.second for picture in shown] == [tick * truth.time_base for tick in truth.ticks]
    assert (shown[0].frame.width, shown[0].frame.height) == (360, 240)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """D-03: nothing is overwritten."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").write_bytes(b"")
    command = [
        sys.executable,
        "-m",
        "opendrape.cli",
        "selftest",
        "--policy",
        "minimal",
        "--output",
        str(tmp_path / "kept"),
    ]
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["mine"]
