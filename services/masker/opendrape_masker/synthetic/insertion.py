"""How an appearance gets into a picture so that it could have been filmed there, and its exact box."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, radians, sin
from typing import Final

import cv2
import numpy as np

from opendrape_masker.synthetic.appearance import Appearance, Place, Style, turned_extent
from opendrape_masker.synthetic.picture import Array, Canvas
from opendrape_masker.synthetic.portraits import Gallery, Portrait
from opendrape_masker.synthetic.truth import TrueBox

_SHUTTER: Final = 0.5  # of a frame time: the half-open shutter of film and of most cameras
_MOST_STEPS: Final = 16
_BLUR_SHARE: Final = 0.035  # of a face's height: a soft clip must not hide the face by itself
_INK: Final = {"dark": 30, "light": 235, "label": 205, "edge": 16}
_FAINT: Final = 0.55

Reach = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Grain:
    """How a clip looks at pixel size: standard deviation of its noise in levels, width of its blur in pixels."""

    noise: float = 1.5
    blur: float = 0.5

    @classmethod
    def of(cls, luma: Array) -> Grain:
        """Measured on one picture: noise after Immerkaer 1996 on its smoother half, blur from its steepest edges."""
        values = luma.astype(np.float32)
        kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
        rough = np.abs(cv2.filter2D(values, -1, kernel))
        box = np.ones((7, 7), np.uint8)
        contrast = cv2.dilate(values, box) - cv2.erode(values, box)
        smooth = rough[contrast <= np.median(contrast)]
        noise = float(np.sqrt(np.pi / 2) * smooth.mean() / 6)
        slope = cv2.dilate(np.hypot(*(cv2.Sobel(values, -1, x, 1 - x, scale=1 / 8) for x in (0, 1))), box)
        edges = contrast >= max(20.0, float(np.percentile(contrast, 99)))
        width = float(np.median(contrast[edges] / np.maximum(slope[edges], 0.1))) if edges.any() else 1.0
        return cls(min(noise, 6.0), min(max(0.3, width / 2.5066), 1.6))


@dataclass(frozen=True, slots=True)
class Inserter:
    """Draws appearances into canvases; the same frame always gets the same pixels."""

    gallery: Gallery
    grain: Grain
    seed: int

    def draw(self, canvas: Canvas, one: Appearance, frame: int) -> TrueBox | None:
        """Draw ``one`` as it is on ``frame``; None when nothing of it is inside the picture."""
        if one.kind == "text":
            return self._write(canvas, one, frame)
        portrait = self.gallery.portrait(
            one.what, one.look, face_height=max(one.first.tall, one.last.tall), mirrored=one.mirrored
        )
        box = _face_box(portrait, one, one.at(frame))
        reach = _reach(canvas, portrait, [one.at(moment) for moment in _moments(one, frame)], one)
        clipped = _clip(canvas, box)
        if reach is None or clipped is None:
            return None
        self._blend(canvas, portrait, one, frame, reach)
        return TrueBox("face", one.name, clipped, round(_area(clipped) / _area(box), 4), reach)

    def _blend(self, canvas: Canvas, portrait: Portrait, one: Appearance, frame: int, reach: Reach) -> None:
        x0, y0, x1, y1 = reach
        moments = _moments(one, frame)
        blur = min(self.grain.blur, _BLUR_SHARE * one.at(frame).tall)
        noise = self._noise(one, frame, (y1 - y0, x1 - x0))
        for number, plane in enumerate((canvas.luma, canvas.blue, canvas.red)):
            shrink = 1 if number == 0 else 2
            size = ((x1 - x0) // shrink, (y1 - y0) // shrink)
            colour, alpha = _exposed(portrait, number, one, moments, (x0, y0), size, shrink)
            colour, alpha = _softened(colour, blur / shrink), _softened(alpha, blur / shrink)
            colour = _toned(colour, alpha, one.gain, chroma=number > 0)
            if number == 0:
                colour += noise * alpha
            window = plane[y0 // shrink : y1 // shrink, x0 // shrink : x1 // shrink]
            window[:] = np.clip(window * (1 - alpha) + colour, 16, 240).round().astype(np.uint8)

    def _noise(self, one: Appearance, frame: int, shape: tuple[int, int]) -> Array:
        random = np.random.default_rng((self.seed, frame, *one.name.encode()))
        return random.normal(0.0, self.grain.noise, shape).astype(np.float32)

    def _write(self, canvas: Canvas, one: Appearance, frame: int) -> TrueBox | None:
        place = one.at(frame)
        ink, ground, opaque = _lettered(one.what, round(place.tall), one.look)
        rows, columns = ink.shape
        left, top = round(place.x - columns / 2) // 2 * 2, round(place.y - rows / 2) // 2 * 2
        if left < 0 or top < 0 or left + columns > canvas.width or top + rows > canvas.height:
            return None
        reach = (left, top, left + columns, top + rows)
        _print(canvas, reach, ink, ground, opaque)
        x, y, wide, tall = cv2.boundingRect((ink > 0.3).astype(np.uint8))
        box = (float(left + x), float(top + y), float(left + x + wide), float(top + y + tall))
        return TrueBox("text", one.name, box, 1.0, reach)


def _moments(one: Appearance, frame: int) -> list[float]:
    """Moments of the exposure around ``frame``, about one per pixel of the path."""
    steps = min(_MOST_STEPS, max(1, round(one.speed * _SHUTTER)))
    return [frame + _SHUTTER * ((step + 0.5) / steps - 0.5) for step in range(steps)]


def _matrix(portrait: Portrait, one: Appearance, place: Place) -> Array:
    """From pixels of the portrait to pixels of the picture, both measured from corners."""
    scale = place.tall / (portrait.face[3] - portrait.face[1])
    across, turn = scale * one.squeeze, radians(one.angle)
    middle_x, middle_y = (portrait.face[0] + portrait.face[2]) / 2, (portrait.face[1] + portrait.face[3]) / 2
    linear = np.array([[across * cos(turn), -scale * sin(turn)], [across * sin(turn), scale * cos(turn)]])
    shift = np.array([place.x, place.y]) - linear @ np.array([middle_x, middle_y])
    return np.column_stack([linear, shift])


def _exposed(
    portrait: Portrait,
    number: int,
    one: Appearance,
    moments: list[float],
    corner: tuple[int, int],
    size: tuple[int, int],
    shrink: int,
) -> tuple[Array, Array]:
    """Mean over the exposure of one plane (times alpha) and of alpha, on the window's lattice."""
    colour: Array = np.zeros((size[1], size[0]), np.float32)
    alpha = colour.copy()
    for moment in moments:
        matrix = _matrix(portrait, one, one.at(moment))
        matrix[:, 2] -= corner
        # pixel centres: sample i of a plane lies at (i + 1/2) * shrink of the picture
        matrix[:, 2] = (matrix[:, 2] + matrix[:, :2] @ (0.5, 0.5)) / shrink - 0.5
        matrix[:, :2] /= shrink
        colour += cv2.warpAffine(portrait.premultiplied[..., number], matrix, size, flags=cv2.INTER_LINEAR)
        alpha += cv2.warpAffine(portrait.alpha, matrix, size, flags=cv2.INTER_LINEAR)
    return colour / len(moments), alpha / len(moments)


def _softened(plane: Array, sigma: float) -> Array:
    return cv2.GaussianBlur(plane, (0, 0), sigma) if sigma > 0.2 else plane


def _toned(colour: Array, alpha: Array, gain: float, *, chroma: bool) -> Array:
    """Brighter or darker around black; colour keeps its share of brightness."""
    zero = 128.0 if chroma else 16.0
    toned: Array = zero * alpha + (colour - zero * alpha) * gain
    return toned


def _face_box(portrait: Portrait, one: Appearance, place: Place) -> tuple[float, float, float, float]:
    """Box around the ellipse that fills the face's rectangle, as turned and squeezed."""
    wide = (portrait.face[2] - portrait.face[0]) / (portrait.face[3] - portrait.face[1]) * place.tall * one.squeeze
    across, down = turned_extent(wide, place.tall, one.angle)
    return place.x - across, place.y - down, place.x + across, place.y + down


def _reach(canvas: Canvas, portrait: Portrait, places: list[Place], one: Appearance) -> Reach | None:
    """The part of the picture that the cut-out touches during the exposure, on even coordinates."""
    rows, columns = portrait.alpha.shape
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
    points = np.hstack([_matrix(portrait, one, place) @ corners for place in places])
    (x0, y0), (x1, y1) = points.min(axis=1), points.max(axis=1)
    left, top = max(0, int(x0) // 2 * 2 - 4), max(0, int(y0) // 2 * 2 - 4)
    right, bottom = min(canvas.width, int(x1) // 2 * 2 + 6), min(canvas.height, int(y1) // 2 * 2 + 6)
    return (left, top, right, bottom) if right > left and bottom > top else None


def _clip(canvas: Canvas, box: tuple[float, float, float, float]) -> tuple[float, float, float, float] | None:
    x0, y0, x1, y1 = box
    inside = (max(0.0, x0), max(0.0, y0), min(float(canvas.width), x1), min(float(canvas.height), y1))
    return inside if inside[2] > inside[0] and inside[3] > inside[1] else None


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@lru_cache(maxsize=128)
def _lettered(words: str, tall: int, style: str) -> tuple[Array, Array, tuple[int, int]]:
    """Ink and ground as alphas ``[H, W]`` of even size, and the luma of both."""
    font = cv2.FontFace("italic" if style == Style.ITALIC else "sans")
    weight = 800 if style == Style.BOLD else 450
    size = round(tall * 1.4)
    room = np.zeros((3 * size, (len(words) + 4) * size, 3), np.uint8)
    cv2.putText(room, words, (size, 2 * size), (255, 255, 255), font, size, weight)
    x, y, wide, high = cv2.boundingRect((room[..., 0] > 76).astype(np.uint8))
    margin = max(4, tall // 3 // 2 * 2)
    wide, high = wide + wide % 2, high + high % 2
    ink = room[y - margin : y + high + margin, x - margin : x + wide + margin, 0].astype(np.float32) / 255
    if style == Style.OUTLINED:
        return ink, cv2.dilate(ink, np.ones((5, 5), np.uint8)), (_INK["light"], _INK["edge"])
    if style == Style.ON_LABEL:
        return ink, np.ones_like(ink), (_INK["dark"], _INK["label"])
    return ink * (_FAINT if style == Style.FAINT else 1.0), np.zeros_like(ink), (_INK["light"], 0)


def _print(canvas: Canvas, reach: Reach, ink: Array, ground: Array, lumas: tuple[int, int]) -> None:
    x0, y0, x1, y1 = reach
    window = canvas.luma[y0:y1, x0:x1]
    under = window * (1 - ground) + lumas[1] * ground
    window[:] = (under * (1 - ink) + lumas[0] * ink).round().astype(np.uint8)
    cover = np.maximum(ink, ground)
    half = cv2.resize(cover, ((x1 - x0) // 2, (y1 - y0) // 2), interpolation=cv2.INTER_AREA)
    for plane in (canvas.blue, canvas.red):
        part = plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        part[:] = (part * (1 - half) + 128 * half).round().astype(np.uint8)
