"""Where the face is and how it gets into the picture: a real photograph on a known path, with its exact box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import cv2
import numpy as np

from opendrape_masker.synthetic.picture import Array, Canvas, yuv
from opendrape_masker.synthetic.truth import TrueBox

# scikit-image's `astronaut` (NASA, public domain), measured by eye: hair line to chin, cheek to cheek.
FACE_IN_PHOTOGRAPH = (178.0, 74.0, 272.0, 180.0)
# without the suit's dark collar: below a mask it looks like the hair of a face that the tissue makes
_CUT_OUT = (118, 14, 332, 218)
_PERIOD = 10.0
# second, centre x and y as shares of the picture, face height as a share of the picture's height
_PATH = np.array(
    [
        (0.0, 0.30, 0.45, 0.085),
        (2.0, 0.55, 0.38, 0.24),
        (4.0, 0.70, 0.55, 0.16),
        (5.2, 0.88, 0.50, 0.15),
        (5.6, 1.14, 0.50, 0.15),
        (7.4, -0.14, 0.60, 0.12),
        (7.8, 0.12, 0.60, 0.12),
        (10.0, 0.30, 0.45, 0.085),
    ]
)
_AWAY = (5.6, 7.4)


@dataclass(frozen=True, slots=True)
class Portrait:
    """The cut-out: planes as float32 ``[H, W, 3]``, alpha ``[H, W]`` in 0..1, and the face's box inside it."""

    planes: Array
    alpha: Array
    face: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """Centre of the face and its height, in pixels; ``mirrored`` left to right."""

    name: str
    x: float
    y: float
    face_height: float
    mirrored: bool


def placements(second: float, *, faces: int, width: int, height: int) -> list[Placement]:
    """Who is in the scene at ``second``. The second and later faces are smaller, in lanes of their own, out of step."""
    found = []
    for number in range(faces):
        moment = (second + number * 2.3) % _PERIOD
        if _AWAY[0] < moment < _AWAY[1]:
            continue
        x, y, tall = (float(np.interp(moment, _PATH[:, 0], _PATH[:, column])) for column in (1, 2, 3))
        lane, shrink = (y, 1.0) if faces == 1 else ((number + 0.6) / (faces + 0.2), 1.6 / faces)
        found.append(Placement(f"face-{number}", x * width, lane * height, tall * shrink * height, number % 2 == 1))
    return found


def draw_face(canvas: Canvas, place: Placement) -> TrueBox | None:
    """Blend the portrait in; None when nothing of the face is inside the picture."""
    portrait = _portrait(place.mirrored)
    scale = place.face_height / (portrait.face[3] - portrait.face[1])
    left = place.x - scale * (portrait.face[0] + portrait.face[2]) / 2
    top = place.y - scale * (portrait.face[1] + portrait.face[3]) / 2
    reach = _even_reach(canvas, left, top, scale * portrait.alpha.shape[0])
    if reach is None:
        return None
    _blend(canvas, portrait, reach=reach, left=left, top=top, scale=scale)
    face = tuple(edge * scale + (left, top)[side % 2] for side, edge in enumerate(portrait.face))
    return _true_box(canvas, place.name, face, reach)


def _true_box(canvas: Canvas, name: str, face: tuple[float, ...], reach: tuple[int, int, int, int]) -> TrueBox | None:
    x0, y0, x1, y1 = face
    inside = (max(0.0, x0), max(0.0, y0), min(float(canvas.width), x1), min(float(canvas.height), y1))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return None
    visible = (inside[2] - inside[0]) * (inside[3] - inside[1]) / ((x1 - x0) * (y1 - y0))
    return TrueBox("face", name, inside, round(visible, 4), reach)


def _even_reach(canvas: Canvas, left: float, top: float, side: float) -> tuple[int, int, int, int] | None:
    """The part of the picture that the cut-out touches, on even coordinates because chroma is halved."""
    x0, y0 = max(0, int(left) // 2 * 2 - 2), max(0, int(top) // 2 * 2 - 2)
    x1, y1 = min(canvas.width, int(left + side) // 2 * 2 + 4), min(canvas.height, int(top + side) // 2 * 2 + 4)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _blend(
    canvas: Canvas, portrait: Portrait, *, reach: tuple[int, int, int, int], left: float, top: float, scale: float
) -> None:
    x0, y0, x1, y1 = reach
    for number, plane in enumerate((canvas.luma, canvas.blue, canvas.red)):
        shrink = 1 if number == 0 else 2
        size = ((x1 - x0) // shrink, (y1 - y0) // shrink)
        # Pixel centres: a sample at i of the plane lies at (i + 1/2) * shrink of the picture.
        step = scale / shrink
        matrix = np.array(
            [
                [step, 0, (left - x0) / shrink + 0.5 * step - 0.5],
                [0, step, (top - y0) / shrink + 0.5 * step - 0.5],
            ]
        )
        alpha = cv2.warpAffine(portrait.alpha, matrix, size, flags=cv2.INTER_LINEAR)
        colour = cv2.warpAffine(
            portrait.planes[..., number], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        window = plane[y0 // shrink : y1 // shrink, x0 // shrink : x1 // shrink]
        window[:] = cv2.add(cv2.multiply(window.astype(np.float32), 1 - alpha), colour * alpha).round()


@lru_cache(maxsize=2)
def _portrait(mirrored: bool) -> Portrait:
    x0, y0, x1, y1 = _CUT_OUT
    planes = yuv(_photograph()[y0:y1, x0:x1])
    face = tuple(edge - (x0, y0)[side % 2] for side, edge in enumerate(FACE_IN_PHOTOGRAPH))
    alpha = _oval((x1 - x0, y1 - y0))
    if mirrored:
        planes = np.ascontiguousarray(planes[:, ::-1])
        face = (x1 - x0 - face[2], face[1], x1 - x0 - face[0], face[3])
    return Portrait(planes, alpha, (face[0], face[1], face[2], face[3]))


def _oval(size: tuple[int, int]) -> Array:
    """Soft-edged ellipse that keeps head and collar and loses the studio background's corners."""
    alpha: Array = np.zeros((size[1], size[0]), np.float32)
    centre = (size[0] // 2, size[1] // 2)
    cv2.ellipse(alpha, centre, (size[0] // 2 - 12, size[1] // 2 - 12), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(alpha, (0, 0), 4.0)


@lru_cache(maxsize=1)
def _photograph() -> Any:
    # From the extra `sample`; loaded only when a face is drawn.
    return import_module("skimage.data").astronaut()
