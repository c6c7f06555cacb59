"""V-04, V-05: device profiles and confirmed intervals on the command line, down to the written file and the receipt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.synthetic.judge import pictures

PROFILE = """
id = "scope-a"
version = 4
verified = {verified}
vendor = "Maker"
model = "A"
frame_width = {width}
frame_height = 180
[[region]]
x = 0
y = 0
width = 60
height = 180
reason = "text column"
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of tissue in three groups of pictures, alone in a folder."""
    folder = tmp_path_factory.mktemp("clip")
    make_sample(folder, SampleRequest(seconds=2, width=320, height=180, faces=0, text=False, key_interval=20))
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's policy folder with a profile that fits, one that does not and one that nobody compared."""
    devices = tmp_path / "policies" / "devices"
    devices.mkdir(parents=True)
    (devices / "scope-a.toml").write_text(PROFILE.format(width=320, verified="true"))
    (devices / "scope-b.toml").write_text(PROFILE.format(width=640, verified="true").replace("scope-a", "scope-b"))
    (devices / "scope-c.toml").write_text(PROFILE.format(width=320, verified="false").replace("scope-a", "scope-c"))
    return tmp_path


def opendrape(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "OPENDRAPE_STATE_DIR": str(site / "state"),
        "OPENDRAPE_POLICIES_DIR": str(site / "policies"),
    }
    command = [sys.executable, "-m", "opendrape.cli", *arguments, "--policy", "minimal", "--json", "--quiet"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def mask(site: Path, clip: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return opendrape(site, "mask", str(clip), "--output", str(site / "out.mp4"), *more)


def test_a_profile_masks_its_regions_and_is_named(clip: Path, site: Path) -> None:
    """V-04: on every frame, in the report with its version."""
    done = mask(site, clip, "--device", "scope-a")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"]["device"] == "scope-a@4"
    shown = list(pictures(site / "out.mp4"))
    assert len(shown) == 60
    assert all(int(one.luma[:, :58].max()) < 40 < int(one.luma[:, 80:].max()) for one in shown)


@pytest.mark.parametrize(
    ("device", "reason"),
    [("scope-x", "no device profile of that id"), ("scope-c", "not verified"), ("scope-b", "device frame size")],
)
def test_what_does_not_fit_stops_before_anything_is_written(clip: Path, site: Path, device: str, reason: str) -> None:
    """V-04, V-16: unknown, unverified, another picture size."""
    done = mask(site, clip, "--device", device)
    assert done.returncode not in (0, None)
    assert reason in done.stdout + done.stderr
    assert not (site / "out.mp4").exists()


def test_an_unverified_profile_can_be_allowed_and_says_so(clip: Path, site: Path) -> None:
    """V-04."""
    done = mask(site, clip, "--device", "scope-c", "--allow-unverified-device")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"]["device"] == "scope-c@4 (unverified)"


def test_confirmed_time_out_of_the_body_is_black(clip: Path, site: Path) -> None:
    """V-05: exactly the frames that a person named."""
    done = mask(site, clip, "--interval", "10-25=out", "--interval", "30-40=in")
    assert done.returncode == 0, done.stderr
    black = [int(one.luma.max()) < 40 for one in pictures(site / "out.mp4")]
    assert black == [10 <= frame < 25 for frame in range(60)]


def test_a_receipt_names_the_profile(clip: Path, site: Path) -> None:
    """V-04, D-06: what was masked is signed with what it was masked by."""
    done = opendrape(site, "run", str(clip.parent), "--output", str(site / "delivered"), "--device", "scope-a")
    assert done.returncode == 0, done.stderr
    (receipt,) = (site / "delivered").rglob("*.receipt.json")
    assert '"device":"scope-a@4"' in receipt.read_text().replace(": ", ":")
