"""V-04: a device profile is chosen by its id, for its picture size only; never another one, never an unverified one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from opendrape.adapters.device_files import device_ids, read_device, with_device
from opendrape.adapters.policy_files import read_policy
from opendrape.domain.devices import DeviceProfile
from opendrape.errors import PolicyInvalid
from opendrape.settings import shipped

PROFILE = """
id = "scope-a"
version = 3
verified = true
vendor = "Maker"
model = "A"
frame_width = 640
frame_height = 480
[[region]]
x = 0
y = 0
width = 100
height = 480
reason = "text column"
"""


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, ...]:
    """A site's policy folder with two profiles, before the shipped one."""
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "scope-a.toml").write_text(PROFILE)
    unsure = PROFILE.replace("scope-a", "scope-b").replace("true", "false")
    (tmp_path / "devices" / "scope-b.toml").write_text(unsure)
    return (tmp_path, shipped("policies"))


def reason(site: tuple[Path, ...], identity: str) -> str:
    with pytest.raises(PolicyInvalid) as caught:
        read_device(site, identity)
    return caught.value.reason


def test_an_unknown_device_is_an_error_and_never_another_devices_profile(site: tuple[Path, ...]) -> None:
    """V-04: L5 of the source systems took another device's region silently."""
    assert reason(site, "scope-c") == "device_unknown"
    assert reason(site, "../scope-a") == "device_unknown"
    assert reason(site, "SCOPE-A") == "device_unknown"


def test_an_unverified_profile_must_be_allowed(site: tuple[Path, ...]) -> None:
    """V-04."""
    assert reason(site, "scope-b") == "device_unverified"
    assert read_device(site, "scope-b", allow_unverified=True).label == "scope-b@3 (unverified)"


@pytest.mark.parametrize(
    "broken",
    [
        PROFILE.replace("width = 100", "width = 641"),
        PROFILE.replace('id = "scope-a"', 'id = "scope-x"'),
        PROFILE.replace("version = 3", ""),
        PROFILE + "surprise = 1\n",
        "not toml",
    ],
)
def test_a_broken_profile_is_refused(site: tuple[Path, ...], broken: str) -> None:
    """V-04: a region outside the picture, another id, a missing or unknown key."""
    (site[0] / "devices" / "scope-a.toml").write_text(broken)
    assert reason(site, "scope-a") == "device_invalid"


def test_the_profile_is_part_of_the_policys_digest(site: tuple[Path, ...]) -> None:
    """V-04: what was masked is bound to version and regions of the profile."""
    faces = read_policy(site, "faces")
    chosen = with_device(faces, site, "scope-a")
    assert chosen.device is not None
    assert chosen.device.label == "scope-a@3"
    assert chosen.digest != faces.digest
    assert with_device(faces, site, None) is faces


def test_a_policy_file_may_name_a_device(site: tuple[Path, ...]) -> None:
    """V-04: the same rules hold there."""
    head = 'name = "ours"\nsummary = "ours"\n'
    (site[0] / "ours.toml").write_text(head + '[device]\nid = "scope-a"\n')
    assert read_policy(site, "ours").device == read_device(site, "scope-a")
    (site[0] / "ours.toml").write_text(head + '[device]\nid = "scope-b"\n')
    with pytest.raises(PolicyInvalid, match="not verified"):
        read_policy(site, "ours")
    (site[0] / "ours.toml").write_text(head + '[device]\nid = "scope-b"\nallow_unverified = true\n')
    assert read_policy(site, "ours").device is not None


def test_a_profile_fits_one_picture_size_only() -> None:
    """V-04: never scaled."""
    region = {"x": 0, "y": 0, "width": 5, "height": 5, "reason": "r"}
    facts = {"id": "d", "version": 1, "vendor": "v", "model": "m", "frame_width": 64, "frame_height": 48}
    profile = DeviceProfile.model_validate({**facts, "region": [region]})
    assert profile.fits(64, 48)
    assert not profile.fits(128, 96)
    assert not profile.fits(64, 50)
    with pytest.raises(ValidationError):
        DeviceProfile.model_validate({**facts, "region": [region, region]})


def test_every_shipped_profile_can_be_read() -> None:
    """V-04: and none claims to be verified that nobody compared."""
    folders = (shipped("policies"),)
    assert device_ids(folders)
    assert all(read_device(folders, identity, allow_unverified=True).source for identity in device_ids(folders))
