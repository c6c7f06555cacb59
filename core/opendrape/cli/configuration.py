"""How do options and environment become settings, with an error that names the variable and not its value?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from opendrape.adapters.device_files import with_device
from opendrape.adapters.policy_files import read_policy
from opendrape.domain.policy import Policy, Role
from opendrape.settings import Settings, settings_from_environment

StateDir = Annotated[
    Path | None, typer.Option("--state-dir", help="Catalogue, keys, models and work files (OPENDRAPE_STATE_DIR).")
]
PolicyName = Annotated[str, typer.Option("--policy", help="Name of the policy (`opendrape policy list`).")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only notices and errors.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing anywhere; say what would be done.")]


def load_settings(*, state_dir: Path | None = None, destination: Path | None = None) -> Settings:
    """Settings from the environment; options win. ``ConfigurationError`` names each bad variable."""
    given: dict[str, Any] = {}
    if state_dir is not None:
        given["state_dir"] = state_dir.absolute()
    if destination is not None:
        given["destination"] = destination.absolute()
    settings = settings_from_environment(**given)
    return _without_container(settings) if destination is not None else settings


def _without_container(settings: Settings) -> Settings:
    """A folder that was named on the command line is meant, whatever container the environment names."""
    blobs = settings.blobs.model_copy(update={"destination_container": ""})
    return settings.model_copy(update={"blobs": blobs})


def policy_named(settings: Settings, name: str, *, device: str | None = None, allow_unverified: bool = False) -> Policy:
    """The policy from its file, with a device profile when one is chosen; nothing is written."""
    policy = read_policy(settings.policy_folders, name)
    return with_device(policy, settings.policy_folders, device, allow_unverified=allow_unverified)


def missing_roles(settings: Settings, policy: Policy) -> tuple[Role, ...]:
    """Roles that the policy asks for and no model answers, sorted.

    Reads and digests files only; a Triton server, where one is set, is asked: ``InferenceFailed`` when it is away.
    """
    from opendrape_masker.inference.line import served_models, uses_triton
    from opendrape_masker.inference.rendered import target_folder
    from opendrape_masker.inference.repository import read_repository
    from opendrape_masker.models_sync import is_materialised

    if not policy.roles:
        return ()
    asked = [folder for folder in read_repository(settings.model_repository) if folder.lock.roles & policy.roles]
    if uses_triton(settings):
        served = served_models(settings)
        there = [folder for folder in asked if served.get(folder.name) == folder.lock.weights.sha256]
    else:
        target = target_folder(settings.models_dir)
        there = [folder for folder in asked if is_materialised(folder, target)]
    answered = {role for folder in there for role in folder.lock.roles}
    return tuple(sorted(policy.roles - answered))


def altered_models(settings: Settings, policy: Policy) -> dict[str, Role]:
    """Materialised models of the policy's roles whose files are not what was rendered, with their roles."""
    from opendrape_masker.inference.line import uses_triton
    from opendrape_masker.inference.rendered import RENDERER, read_record, target_folder
    from opendrape_masker.inference.repository import read_repository
    from opendrape_masker.models_sync import is_materialised

    if not policy.roles or uses_triton(settings):
        return {}
    target, altered = target_folder(settings.models_dir), {}
    for folder in read_repository(settings.model_repository):
        record = read_record(target / folder.name)
        of_this_build = record and (record.fingerprint, record.renderer) == (folder.fingerprint, RENDERER)
        if folder.lock.roles & policy.roles and of_this_build and not is_materialised(folder, target):
            altered[folder.name] = folder.lock.role
    return altered


def free_bytes(folder: Path) -> int:
    """Free space where ``folder`` is or would be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize
