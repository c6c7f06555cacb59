"""Which detector answers for a role: the most preferred model that is there, another one for the second look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from opendrape.domain.policy import Role
from opendrape.errors import ModelMissing
from opendrape_masker.detectors.detection import (
    THINGS_OF,
    Classes,
    Detection,
    Detector,
    ModelFacts,
    Picture,
    TextLineReader,
)
from opendrape_masker.detectors.faces import decode_centerface, decode_yunet
from opendrape_masker.detectors.model_detector import Decode, ModelDetector
from opendrape_masker.detectors.out_of_body import BuiltInOutOfBody, decode_whole_picture
from opendrape_masker.detectors.reading import TextReader, build_reader
from opendrape_masker.detectors.text import decode_text
from opendrape_masker.detectors.things import DecodeClasses, decode_nanodet, decode_ssd, decode_yolox
from opendrape_masker.inference.port import InferenceSession
from opendrape_masker.inference.repository import ModelFolder, Repository, served_folders

__all__ = [
    "Detection",
    "Detector",
    "ModelFacts",
    "Picture",
    "TextLineReader",
    "TextReader",
    "available",
    "build_detector",
    "build_reader",
]

_DECODERS: Mapping[str, Decode] = {
    "yunet": decode_yunet,
    "centerface": decode_centerface,
    "differentiable-binarization": decode_text,
    "whole-picture": decode_whole_picture,
}
_CLASS_DECODERS: Mapping[str, DecodeClasses] = {"yolox": decode_yolox, "nanodet": decode_nanodet, "ssd": decode_ssd}


def build_detector(
    role: Role,
    *,
    session: InferenceSession,
    repository: Repository,
    purpose: Literal["detect", "residual"] = "detect",
    floor_score: float,
) -> Detector:
    """The detector for a role. For ``residual`` the second model of the role when there is one, else the same.

    ``repository``: the folders of model folders. Raises ``ModelMissing`` when no model of the role can be served.
    """
    folders = served_folders(repository, role, session.source_digest)
    folders = [folder for folder in folders if _finds(folder, role)]
    if not folders and role is Role.OUT_OF_BODY:
        return BuiltInOutOfBody(floor_score)
    if not folders:
        raise ModelMissing(f"no model for role {role}")
    folder = folders[1] if purpose == "residual" and len(folders) > 1 else folders[0]
    lock = folder.lock
    classes = _classes(folder, role)
    return ModelDetector(
        model=ModelFacts(folder.name, role, lock.weights.sha256, lock.longest_side),
        session=session,
        decode=_decode(folder, classes),
        multiple=lock.input.multiple,
        max_batch=lock.max_batch,
        floor_score=floor_score,
        things=tuple(classes),
    )


def _classes(folder: ModelFolder, role: Role) -> Classes:
    """The things of the role that the model tells apart, with the network's classes for each."""
    return {thing: folder.lock.classes[thing] for thing in THINGS_OF.get(role, ()) if thing in folder.lock.classes}


def _finds(folder: ModelFolder, role: Role) -> bool:
    decoder = folder.lock.decoder
    return decoder in _DECODERS or (decoder in _CLASS_DECODERS and bool(_classes(folder, role)))


def _decode(folder: ModelFolder, classes: Classes) -> Decode:
    of_classes = _CLASS_DECODERS.get(folder.lock.decoder)
    if of_classes is None:
        return _DECODERS[folder.lock.decoder]
    return lambda tensors, size, floor_score: of_classes(tensors, size, floor_score, classes)


def available(role: Role, *, session: InferenceSession, repository: Repository) -> list[str]:
    """Names of the models that can serve a role now, most preferred first."""
    return [folder.name for folder in served_folders(repository, role, session.source_digest)]
