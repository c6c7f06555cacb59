"""Does the memory of a masker child stay small, and does it stay the same however long the video is (acceptance 5)?"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest

from opendrape.settings import shipped
from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.looks import ffmpeg
from tests.e2e.measured import run_measured
from tests.e2e.runs import QUICK_POLICY, Bench, write_policy

pytestmark = pytest.mark.models

LARGEST_BYTES: Final = 900 * 10**6
MOST_GROWTH: Final = 1.10
TIMES: Final = 10


@dataclass(frozen=True)
class Peak:
    """Peak memory of one run: what the receipt says of the child, and what the kernel says of every process."""

    frames: int
    reported_bytes: int
    measured_bytes: int


def peak_of(video: Path, policy: str, models_dir: Path, folder: Path) -> Peak:
    """Mask one video as a single chunk in a fresh state folder."""
    in_one_piece = 'chunk_seconds = "3600"\n' + re.sub(r"(?m)^chunk_seconds.*\n", "", policy)
    bench = Bench(folder / "state", folder / "out", models_dir, write_policy(folder / "policies", in_one_piece))
    bench.prepare()
    done = run_measured(bench.command(video), environment=bench.environment, folder=folder, seconds=800)
    assert done.exit_code == 0, done.output
    (receipt,) = bench.output.rglob("*.receipt.json")
    report = json.loads(receipt.read_text())["receipt"]["report"]
    return Peak(report["frames"], report["peak_memory_bytes"], done.peak_bytes)


def compare(seconds: int, policy: str, models_dir: Path, folder: Path) -> tuple[Peak, Peak]:
    """A 1080p sample, and the same one after itself ten times."""
    make_sample(folder, SampleRequest(seconds=Fraction(seconds), key_interval=30), file_name="short.mp4")
    short, long = folder / "short.mp4", folder / "long.mp4"
    ffmpeg("-stream_loop", str(TIMES - 1), "-i", short, "-map", "0:v:0", "-map_chapters", "-1", "-c", "copy", long)
    peaks = []
    for video in (short, long):
        (folder / video.stem).mkdir()
        peaks.append(peak_of(video, policy, models_dir, folder / video.stem))
    return peaks[0], peaks[1]


def judge(short: Peak, long: Peak) -> None:
    """Acceptance 5, by both accounts; the report must not make itself smaller than it is."""
    assert long.frames == TIMES * short.frames
    for peak in (short, long):
        assert peak.measured_bytes < LARGEST_BYTES
        assert peak.reported_bytes == pytest.approx(peak.measured_bytes, rel=0.02)
    assert long.measured_bytes <= MOST_GROWTH * short.measured_bytes


@pytest.mark.timeout(600)
def test_a_ten_times_longer_video_takes_no_more_memory(models_dir: Path, tmp_path: Path) -> None:
    """V-04, acceptance 5: 5 and 50 seconds of 1080p, one chunk each; less would end before the window is full."""
    judge(*compare(5, QUICK_POLICY, models_dir, tmp_path))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_nor_does_it_under_the_policy_that_people_use(models_dir: Path, tmp_path: Path) -> None:
    """Acceptance 5: 6 and 60 seconds of 1080p, faces and text, the looks and encoder settings of `faces`."""
    policy = (shipped("policies") / "faces.toml").read_text().replace('name = "faces"', 'name = "quick"')
    judge(*compare(6, policy, models_dir, tmp_path))
