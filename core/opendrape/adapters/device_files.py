"""Where do device profiles come from: TOML files in ``devices/`` beside the policies of the site and of OpenDrape."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from opendrape.domain.devices import DEVICE_ID, DeviceProfile
from opendrape.domain.policy import Policy
from opendrape.errors import PolicyInvalid

_FOLDER = "devices"


def device_ids(policy_folders: Sequence[Path]) -> tuple[str, ...]:
    """Ids of every profile file, sorted; a site's own file hides a shipped one of that id."""
    folders = [folder / _FOLDER for folder in policy_folders]
    found = {file.stem for folder in folders if folder.is_dir() for file in folder.glob("*.toml")}
    return tuple(sorted(identity for identity in found if re.fullmatch(DEVICE_ID, identity)))


def read_device(policy_folders: Sequence[Path], identity: str, *, allow_unverified: bool = False) -> DeviceProfile:
    """The profile of exactly this id. ``PolicyInvalid`` when there is none, when it is malformed, or when it is
    unverified and that was not allowed: another device's profile is never taken instead.
    """
    profile = _parse(_file(policy_folders, identity), identity)
    if not (profile.verified or allow_unverified):
        message = f"device profile '{identity}' is not verified; compare it with a recording, or allow it explicitly"
        raise PolicyInvalid(message, reason="device_unverified")
    return profile


def with_device(
    policy: Policy, policy_folders: Sequence[Path], identity: str | None, *, allow_unverified: bool = False
) -> Policy:
    """The policy with the profile in it (and so another digest); the policy itself for no device."""
    if identity is None:
        return policy
    profile = read_device(policy_folders, identity, allow_unverified=allow_unverified)
    return policy.model_copy(update={"device": profile})


def _file(policy_folders: Sequence[Path], identity: str) -> Path:
    if re.fullmatch(DEVICE_ID, identity):
        for folder in policy_folders:
            file = folder / _FOLDER / f"{identity}.toml"
            if file.is_file():
                return file
    known = ", ".join(device_ids(policy_folders)) or "none"
    raise PolicyInvalid(f"there is no device profile of that id; there are: {known}", reason="device_unknown")


def _parse(file: Path, identity: str) -> DeviceProfile:
    try:
        profile = DeviceProfile.model_validate(tomllib.loads(file.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyInvalid(f"device profile '{identity}' is not TOML", reason="device_invalid") from error
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, fault["loc"])) or "(top)" for fault in error.errors(include_url=False))
        raise PolicyInvalid(f"device profile '{identity}', keys: {keys}", reason="device_invalid") from error
    if profile.id != identity:
        raise PolicyInvalid(f"device profile '{identity}' calls itself otherwise", reason="device_invalid")
    return profile
