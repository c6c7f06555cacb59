"""What a materialised model looks like on disk, and whether it still is what was rendered."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from opendrape.errors import ModelMissing
from opendrape_masker.inference.repository import GraphOutput

RECORD_NAME = "rendered.json"
LABELS_NAME = "labels.txt"
MODEL_PATH = Path("1") / "model.onnx"
RENDERER = 1
"""Raise it when the rendering changes: older renderings are then made anew."""


class RenderedModel(BaseModel):
    """The record beside a rendered graph: what it was made from, and its own digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    renderer: int
    model: str
    role: str
    fingerprint: str
    source_sha256: str
    model_sha256: str
    labels_sha256: str | None = None
    max_batch: int
    outputs: tuple[GraphOutput, ...]


def target_folder(models_dir: Path, target: str = "onnxruntime") -> Path:
    """Where the models of one target lie."""
    return models_dir / str(target)


def read_record(folder: Path) -> RenderedModel | None:
    """The record of a materialised model; None when there is none that can be read."""
    try:
        return RenderedModel.model_validate_json((folder / RECORD_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def read_verified(folder: Path, name: str, sha256: str) -> bytes:
    """The bytes of one file of a materialised model, only if they have the digest that was recorded.

    Raises ``ModelMissing`` when the file is gone or is not what was rendered.
    """
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise ModelMissing(f"a file of model {folder.name} is not there") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelMissing(f"a file of model {folder.name} is not the one that was rendered", reason="model_altered")
    return content
