"""Where do policies come from: TOML files of the site and of OpenDrape, and remembered ones by their digest."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from opendrape.adapters.device_files import read_device
from opendrape.domain.devices import DeviceProfile
from opendrape.domain.policy import Policy, PolicyRef
from opendrape.errors import NotFound, PolicyInvalid
from opendrape.ports.blobs import BlobStore

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def policy_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Names of every policy file in the folders, sorted; a site's own file hides a shipped one of that name."""
    found = {file.stem for folder in folders if folder.is_dir() for file in folder.glob("*.toml")}
    return tuple(sorted(name for name in found if _NAME.fullmatch(name)))


def read_policy(folders: Sequence[Path], name: str) -> Policy:
    """Read ``name``.toml from the first folder that has it. Writes nothing. ``PolicyInvalid`` names the key."""
    if not _NAME.fullmatch(name):
        raise PolicyInvalid("a policy's name has lower-case letters, digits and dashes only", reason="policy_name")
    for folder in folders:
        file = folder / f"{name}.toml"
        if file.is_file():
            return _parse(file, name, folders)
    known = ", ".join(policy_names(folders)) or "none"
    raise PolicyInvalid(f"there is no policy '{name}'; there are: {known}", reason="policy_unknown")


class PolicyShelf:
    """Policies by name (files) and by reference (what was remembered in the work blobs when work was accepted)."""

    def __init__(self, folders: Sequence[Path], blobs: BlobStore) -> None:
        self._folders = tuple(folders)
        self._blobs = blobs
        self._remembered: dict[str, Policy] = {}

    def names(self) -> tuple[str, ...]:
        """Every name that :meth:`get` answers."""
        return policy_names(self._folders)

    def get(self, name: str) -> Policy:
        """The policy as its file says now. ``PolicyInvalid`` when missing or malformed."""
        return read_policy(self._folders, name)

    def remember(self, policy: Policy) -> None:
        """Keep the policy's canonical JSON as ``policies/<digest>.json``; idempotent."""
        self._blobs.put_bytes(_blob_name(policy.digest), _canonical(policy))

    def by_reference(self, ref: PolicyRef) -> Policy:
        """The remembered policy. ``PolicyInvalid`` when it was never remembered or its bytes have another digest."""
        if ref.digest not in self._remembered:
            self._remembered[ref.digest] = self._recall(ref)
        return self._remembered[ref.digest]

    def _recall(self, ref: PolicyRef) -> Policy:
        try:
            with self._blobs.open(_blob_name(ref.digest)) as blob:
                content = blob.read()
        except (NotFound, ValueError) as error:
            raise PolicyInvalid(f"policy '{ref.label}' was never remembered", reason="policy_unknown") from error
        # the bytes decide, not the parsed policy: a later version may add fields and must still read these
        if hashlib.sha256(content).hexdigest() != ref.digest:
            raise PolicyInvalid(f"the remembered policy '{ref.label}' was altered", reason="policy_altered")
        return _validate(json.loads(content), ref.name)


def _parse(file: Path, name: str, folders: Sequence[Path]) -> Policy:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyInvalid(f"policy '{name}' is not TOML: {error}") from error
    chosen = content.get("device", {})
    if isinstance(chosen, dict) and "region" not in chosen and "id" in chosen:
        content["device"] = _device(folders, chosen, name)
    policy = _validate(content, name)
    if policy.out_of_body.confirmed:
        fault = f"policy '{name}', key out_of_body.confirmed: said of one video, with --interval, not in a file"
        raise PolicyInvalid(fault)
    if policy.name != name:
        raise PolicyInvalid(f"policy '{name}', key name: must be '{name}' as the file is called", reason="policy_name")
    return policy


def _device(folders: Sequence[Path], chosen: dict[str, object], name: str) -> DeviceProfile:
    """A policy file names a profile by id; the policy carries all of it, so that its digest covers the regions."""
    if set(chosen) - {"id", "allow_unverified"}:
        raise PolicyInvalid(f"policy '{name}', key device: id and allow_unverified only", reason="policy_invalid")
    return read_device(folders, str(chosen["id"]), allow_unverified=chosen.get("allow_unverified") is True)


def _validate(content: object, name: str) -> Policy:
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        faults = (f"key {_key(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False))
        raise PolicyInvalid(f"policy '{name}', " + "; ".join(faults)) from error


def _key(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "(top)"


def _canonical(policy: Policy) -> bytes:
    return json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


def _blob_name(digest: str) -> str:
    return f"policies/{digest}.json"
