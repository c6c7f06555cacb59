"""V-01, C-01: `opendrape mask` masks one file with the same engine, writes once, and says what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.synthetic.judge import pictures


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds without faces in three groups of pictures."""
    folder = tmp_path_factory.mktemp("clip")
    make_sample(folder, SampleRequest(seconds=2, width=320, height=180, faces=0, text=False, key_interval=20))
    (path,) = folder.iterdir()
    return path


def opendrape(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with a state folder of its own."""
    environment = os.environ | {"OPENDRAPE_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "opendrape.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_minimal_masks_the_marked_region_in_exactly_its_frames(clip: Path, tmp_path: Path) -> None:
    """V-01, V-10: frames [10, 40) and nothing else; every frame is there."""
    output = tmp_path / "masked.mp4"
    done = opendrape(
        tmp_path,
        "mask",
        str(clip),
        "--output",
        str(output),
        "--policy",
        "minimal",
        "--region",
        "40,30,80,60@10-40",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["report"]
    assert (report["frames"], report["masked_frames"]) == (60, 30)
    inside = [bool(np.abs(shown.luma[30:90, 40:120].astype(int) - 16).max() < 20) for shown in pictures(output)]
    assert inside == [10 <= frame < 40 for frame in range(60)]


def test_an_output_that_exists_is_never_overwritten(clip: Path, tmp_path: Path) -> None:
    """D-03: other content under the name is a conflict; the source itself is refused."""
    output = tmp_path / "there.mp4"
    output.write_bytes(b"somebody's")
    done = opendrape(tmp_path, "mask", str(clip), "--output", str(output), "--policy", "minimal")
    assert done.returncode == 1
    assert output.read_bytes() == b"somebody's"
    assert opendrape(tmp_path, "mask", str(clip), "--output", str(clip), "--policy", "minimal").returncode == 2


def test_a_file_that_is_no_video_leaves_nothing(tmp_path: Path) -> None:
    """V-16, I-05: a reason, an exit code, no output."""
    rubbish = tmp_path / "video.mp4"
    rubbish.write_bytes(b"\0" * 5000)
    done = opendrape(tmp_path, "mask", str(rubbish), "--output", str(tmp_path / "out.mp4"), "--policy", "minimal")
    assert done.returncode == 1
    assert not (tmp_path / "out.mp4").exists()
    assert not list((tmp_path / "state" / "scratch").iterdir())
