"""Which models would serve a role if they were here, and which ones serve it in their place?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opendrape.domain.policy import Role
from opendrape_masker.inference.rendered import target_folder
from opendrape_masker.inference.repository import Repository, rank, read_repository
from opendrape_masker.models_sync import is_materialised

WHAT_TO_TYPE = "run `opendrape models sync` where the network or a mirror is in reach"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Models of a role that are not here although others of it are: work goes on, slower or less independent."""

    role: Role
    missing: tuple[str, ...]
    serving: tuple[str, ...]
    preferred: bool  # one that is asked for first is among the missing

    @property
    def sentence(self) -> str:
        """What that means and what to type."""
        missing, serving = ", ".join(self.missing), ", ".join(self.serving)
        if self.preferred:
            what = (
                f"{missing} would be asked first and is not here; {serving} serves in its place, slower or less exactly"
            )
        else:
            what = f"{missing} is not here; {serving} serves"
        if len(self.serving) == 1:
            what += ", and is its own second opinion and second look"
        return f"{what}: {WHAT_TO_TYPE}"


def passed_over(repository: Repository, models_dir: Path, roles: frozenset[Role]) -> Iterator[PassedOver]:
    """Per role that is served, but not by all models of the repository. Reads and digests files only.

    A model that is altered counts as missing, as it does for the masker; a role without any model is not told here.
    """
    target = target_folder(models_dir)
    folders = read_repository(repository)
    here = {folder.name for folder in folders if folder.lock.roles & roles and is_materialised(folder, target)}
    for role in sorted(roles):
        own = sorted((folder for folder in folders if role in folder.lock.roles), key=rank)
        missing = tuple(folder.name for folder in own if folder.name not in here)
        serving = tuple(folder.name for folder in own if folder.name in here)
        if missing and serving:
            yield PassedOver(role, missing, serving, preferred=own[0].name in missing)
