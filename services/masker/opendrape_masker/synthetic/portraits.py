"""Whose faces can be put into a picture: cut-outs of free photographs in installed packages, or of given ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from opendrape_masker.synthetic.disguise import disguised
from opendrape_masker.synthetic.picture import Array, yuv

FACE_BOX = tuple[float, float, float, float]
_LEAST_FACE_PIXELS: Final = 48
_SKIN_RGB: Final = (1.0, 0.80, 0.70)
_LEVELS: Final = 5


@dataclass(frozen=True, slots=True)
class Cutout:
    """Part of a photograph: RGB uint8 ``[H, W, 3]``, alpha float32 ``[H, W]`` in 0..1, and the face's box in it.

    The box goes from hair line to chin and from cheek to cheek.
    """

    rgb: Array
    alpha: Array
    face: FACE_BOX
    frontal: bool

    @property
    def face_height(self) -> float:
        """In pixels of the cut-out."""
        return self.face[3] - self.face[1]


@dataclass(frozen=True, slots=True)
class Portrait:
    """A cut-out as limited-range BT.709 planes, float32 ``[H, W, 3]``, times alpha; and alpha. ``face`` as above."""

    premultiplied: Array
    alpha: Array
    face: FACE_BOX


def installed_photographs() -> dict[str, Cutout]:
    """By name: ``astronaut`` (NASA, public domain) from the front, ``camera`` (CC0) from the side.

    Both come with scikit-image, the extra ``sample``. Its subset of Labeled Faces in the Wild is left out: nobody in it
    was asked, and its licence is not said.
    """
    pictures = import_module("skimage.data")  # a second of work, only when a face is drawn
    front = _cut(pictures.astronaut(), (96, 4, 356, 264), face=(178, 74, 272, 180), frontal=True)
    grey = np.asarray(pictures.camera(), np.float32)[..., None]
    tinted = np.clip(grey * np.array(_SKIN_RGB, np.float32), 0, 255).astype(np.uint8)
    side = _cut(tinted, (140, 40, 300, 230), face=(181, 122, 255, 198), frontal=False, oval=(208, 134, 62, 74))
    return {"astronaut": front, "camera": side}


def photographs_in(folder: Path) -> dict[str, Cutout]:
    """Faces of at least 48 pixels in ``*.jpg`` files with a ``*.face_gt.json`` beside them (``boxes``: box, label)."""
    found: dict[str, Cutout] = {}
    for truth in sorted(folder.glob("*.face_gt.json")):
        picture = truth.with_name(truth.name.replace(".face_gt.json", ".jpg"))
        image = cv2.imread(str(picture), cv2.IMREAD_COLOR) if picture.is_file() else None
        if image is not None:
            facts = json.loads(truth.read_text(encoding="utf-8"))
            found |= dict(_faces_of(picture.stem, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), facts["boxes"]))
    return found


def _faces_of(name: str, rgb: Array, boxes: list[dict[str, Any]]) -> Iterator[tuple[str, Cutout]]:
    for number, each in enumerate(boxes):
        x0, y0, x1, y1 = each["box"]
        side = max(x1 - x0, y1 - y0)
        if side >= _LEAST_FACE_PIXELS:
            window = (round(x0 - 0.45 * side), round(y0 - 0.7 * side), round(x1 + 0.45 * side), round(y1 + 0.45 * side))
            yield f"{name}-{number}", _cut(_padded(rgb, window), (0, 0, *_size(window)), _moved(each["box"], window))


def _padded(rgb: Array, window: tuple[int, int, int, int]) -> Array:
    """The window of the picture, its rim repeated where the window leaves the picture."""
    rows = np.clip(np.arange(window[1], window[3]), 0, rgb.shape[0] - 1)
    columns = np.clip(np.arange(window[0], window[2]), 0, rgb.shape[1] - 1)
    part: Array = rgb[np.ix_(rows, columns)]
    return part


def _size(window: tuple[int, int, int, int]) -> tuple[int, int]:
    return window[2] - window[0], window[3] - window[1]


def _moved(box: list[float], window: tuple[int, int, int, int]) -> FACE_BOX:
    return box[0] - window[0], box[1] - window[1], box[2] - window[0], box[3] - window[1]


def _cut(
    photograph: Any,
    window: tuple[int, int, int, int],
    face: tuple[float, float, float, float],
    frontal: bool = True,
    oval: tuple[int, int, int, int] | None = None,
) -> Cutout:
    """``oval``: centre and half axes of what is kept, in pixels of the photograph; without it most of the window."""
    x0, y0, x1, y1 = window
    wide, tall = x1 - x0, y1 - y0
    middle_x, middle_y, across, down = oval or (x0 + wide // 2, y0 + tall // 2, wide // 2, tall // 2)
    alpha = _soft_oval((wide, tall), (middle_x - x0, middle_y - y0), (across, down))
    inside = (face[0] - x0, face[1] - y0, face[2] - x0, face[3] - y0)
    return Cutout(np.ascontiguousarray(photograph[y0:y1, x0:x1]), alpha, inside, frontal)


def _soft_oval(size: tuple[int, int], centre: tuple[int, int], axes: tuple[int, int]) -> Array:
    """1 in the middle, 0 at the rim, soft over a tenth of the way: no edge that a detector could learn."""
    x = (np.arange(size[0]) + 0.5 - centre[0]) / axes[0]
    y = (np.arange(size[1]) + 0.5 - centre[1]) / axes[1]
    away = np.sqrt(x[None, :] ** 2 + y[:, None] ** 2)
    alpha: Array = np.clip((0.98 - away) / 0.14, 0, 1).astype(np.float32)
    return alpha


class Gallery:
    """The people of one suite, ready to be drawn in any disguise and at any size."""

    def __init__(self, cutouts: dict[str, Cutout]) -> None:
        self._cutouts = cutouts
        self._ready = lru_cache(maxsize=64)(self._make)

    def frontal(self) -> tuple[str, ...]:
        """Names of the people who look into the camera."""
        return tuple(name for name, cutout in self._cutouts.items() if cutout.frontal)

    def from_the_side(self) -> tuple[str, ...]:
        """Names of the people who do not."""
        return tuple(name for name, cutout in self._cutouts.items() if not cutout.frontal)

    def tallest(self, name: str) -> float:
        """Face height in pixels up to which the photograph has enough detail to be enlarged."""
        return 2.6 * self._cutouts[name].face_height

    def portrait(self, name: str, look: str, *, face_height: float, mirrored: bool) -> Portrait:
        """For a face of ``face_height`` pixels: from a photograph that is not much larger, so that nothing flickers."""
        have = self._cutouts[name].face_height
        level = min(_LEVELS, max(0, ceil(np.log2(max(1.0, have / (1.5 * max(face_height, 1.0)))))))
        return self._ready(name, look, level, mirrored)

    def _make(self, name: str, look: str, level: int, mirrored: bool) -> Portrait:
        cutout = self._cutouts[name]
        planes = yuv(disguised(cutout.rgb, cutout.face, look))
        alpha, face = cutout.alpha, cutout.face
        if mirrored:
            wide = alpha.shape[1]
            planes, alpha = np.ascontiguousarray(planes[:, ::-1]), np.ascontiguousarray(alpha[:, ::-1])
            face = (wide - face[2], face[1], wide - face[0], face[3])
        return _shrunk(planes * alpha[..., None], alpha, face, level)


def _shrunk(planes: Array, alpha: Array, face: FACE_BOX, level: int) -> Portrait:
    rows, columns = alpha.shape
    size = (max(1, columns >> level), max(1, rows >> level))
    across, down = size[0] / columns, size[1] / rows
    small = cv2.resize(planes, size, interpolation=cv2.INTER_AREA) if level else planes
    thin = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) if level else alpha
    return Portrait(small, thin, (face[0] * across, face[1] * down, face[2] * across, face[3] * down))
