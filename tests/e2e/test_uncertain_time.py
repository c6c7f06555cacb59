"""V-05: a video in doubt is held back by both commands, says where to look, and goes out once a person has said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.masker.scene_footage import drawn, half_out, tissue
from tests.integration.masker.test_scenes import cut_together
from tests.synthetic.judge import pictures

POLICY = """
version = 1
name = "watch"
summary = "Out of the body only: needs no model."
chunk_seconds = "2"

[[detect]]
role = "out-of-body"
max_gap_seconds = "0.5"
motion = "static"
long_side_pixels = [256]
strong_score = 0.5
weak_score = 0.3
grow = 0.0
bridge_seconds = "1"
hold_seconds = "0.5"
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds, of which one to two look half like a room; under a name that must not be told."""
    inside = tissue()
    scene = cut_together((25, inside), (50, half_out(inside, 0.45)), (100, inside))
    return drawn(tmp_path_factory.mktemp("clip") / "DOE_JANE.mp4", scene, frames=100).path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "watch.toml").write_text(POLICY)
    return tmp_path


def opendrape(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "OPENDRAPE_STATE_DIR": str(site / "state"),
        "OPENDRAPE_POLICIES_DIR": str(site / "policies"),
        "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
    }
    command = [sys.executable, "-m", "opendrape.cli", *arguments, "--policy", "watch"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def run(site: Path, clip: Path, *more: str) -> tuple[int, dict[str, Any]]:
    done = opendrape(site, "run", str(clip), "--output", str(site / "out"), "--json", "--quiet", *more)
    assert done.stdout.strip(), done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout)["assets"][0]


def test_a_run_holds_it_back_until_a_person_has_said_where_the_endoscope_was(clip: Path, site: Path) -> None:
    """V-05, C-02: quarantined with frames and seconds; a retry alone changes nothing; an answer delivers it."""
    code, asset = run(site, clip)
    assert (code, asset["state"], asset["reason"]) == (1, "quarantined", "uncertain_out_of_body")
    doubt = {frame for one in asset["in_doubt"] for frame in range(one["start_frame"], one["end_frame"])}
    assert doubt >= set(range(25, 50))
    assert not list((site / "out").rglob("*.mp4"))
    assert run(site, clip, "--retry")[1]["state"] == "quarantined"
    told = opendrape(site, "run", str(clip), "--output", str(site / "out")).stdout
    assert "blacked)" in told
    code, asset = run(site, clip, "--interval", "0-25=in", "--interval", "25-50=out", "--interval", "50-100=in")
    assert (code, asset["state"], asset["in_doubt"]) == (0, "delivered", [])
    (output,) = (site / "out").rglob("*.mp4")
    black = [int(one.luma.max()) < 40 for one in pictures(output)]
    assert black == [25 <= frame < 50 for frame in range(100)]


def test_mask_writes_the_reports_and_no_video(clip: Path, site: Path) -> None:
    """V-05, D-06: what a person needs to decide is on the page; times, not pixels, and no name."""
    pages = [site / "r.json", site / "r.html"]
    done = opendrape(site, "mask", str(clip), "--output", str(site / "m.mp4"), *(f"--report={path}" for path in pages))
    assert done.returncode == 1
    assert "--interval" in done.stderr
    assert not (site / "m.mp4").exists()
    intervals = json.loads(pages[0].read_text())["report"]["out_of_body"]
    assert any(one["in_doubt"] for one in intervals)
    assert "a person should say" in pages[1].read_text()
    assert "DOE" not in done.stderr + "".join(path.read_text() for path in pages)
    again = opendrape(site, "mask", str(clip), "--output", str(site / "m.mp4"), "--interval", "0-100=in")
    assert again.returncode == 0, again.stderr
    assert min(int(one.luma.max()) for one in pictures(site / "m.mp4")) > 60


def test_frames_of_one_video_are_not_said_of_a_folder(clip: Path, site: Path) -> None:
    """V-05: a usage error before anything starts."""
    done = opendrape(site, "run", str(clip.parent), "--output", str(site / "out"), "--interval", "0-10=in")
    assert done.returncode == 2
    assert "one video" in done.stderr
    assert not (site / "out").exists()
