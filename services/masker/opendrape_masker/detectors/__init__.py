"""Which detector answers for a role: the most preferred model that is there, another one for the second look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from opendrape.domain.policy import Role
from opendrape.errors import ModelMissing
from opendrape_masker.detectors.detection import Detection, Detector, ModelFacts, Picture
from opendrape_masker.detectors.faces import decode_centerface, decode_yunet
from opendrape_masker.detectors.model_detector import Decode, ModelDetector
from opendrape_masker.detectors.reading import TextReader, build_reader
from opendrape_masker.detectors.text import decode_text
from opendrape_masker.inference.repository import served_folders
from opendrape_masker.inference.session import InferenceSession

__all__ = [
    "Detection",
    "Detector",
    "ModelFacts",
    "Picture",
    "TextReader",
    "available",
    "build_detector",
    "build_reader",
]

_DECODERS: dict[str, Decode] = {
    "yunet": decode_yunet,
    "centerface": decode_centerface,
    "differentiable-binarization": decode_text,
}


def build_detector(
    role: Role,
    *,
    session: InferenceSession,
    repository: Path,
    purpose: Literal["detect", "residual"] = "detect",
    floor_score: float,
) -> Detector:
    """The detector for a role. For ``residual`` the second model of the role when there is one, else the same.

    ``repository`` is the folder of model folders. Raises ``ModelMissing`` when no model of the role can be served.
    """
    folders = served_folders(repository, role, session.source_digest)
    folders = [folder for folder in folders if folder.lock.decoder in _DECODERS]
    if not folders:
        raise ModelMissing(f"no model for role {role}")
    folder = folders[1] if purpose == "residual" and len(folders) > 1 else folders[0]
    lock = folder.lock
    return ModelDetector(
        model=ModelFacts(name=folder.name, role=role, sha256=lock.weights.sha256),
        session=session,
        decode=_DECODERS[lock.decoder],
        multiple=lock.input.multiple,
        max_batch=lock.max_batch,
        floor_score=floor_score,
    )


def available(role: Role, *, session: InferenceSession, repository: Path) -> list[str]:
    """Names of the models that can serve a role now, most preferred first."""
    return [folder.name for folder in served_folders(repository, role, session.source_digest)]
