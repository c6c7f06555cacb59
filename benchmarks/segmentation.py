"""Would a silhouette from a segmentation model hide a person as well as their box does? Measured on photographs."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.machine import ROOT, machine, test_media, versions

Array = NDArray[Any]
_OUT: Final = ROOT / "docs" / "benchmarks"
_WEIGHTS: Final = "deeplabv3_mnv2_pascal.onnx"
_SIDE: Final = 513  # the only size that the graph takes
_PERSON: Final = 15  # of its 21 classes
_ANNOTATED_PERSON: Final = "1"
_GROW: Final = 0.15  # as policy `full` widens a person's box
_SMALLEST: Final = (24, 64)  # width and height of a person, pixels
_FULLY: Final = 0.99
_SCORES: Final = (0.5, 0.2, 0.05)
_DILATIONS: Final = (0.0, 0.05, 0.1)
_FALLBACK: Final = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """One way of making the silhouette, over all people. Shares, 0 to 1."""

    seen: str
    least_score: float
    dilation: float
    hidden: float
    people_fully: float
    heads_fully: float
    heads_open: float
    box_painted: float
    fallback: float
    fallback_people_fully: float
    fallback_painted: float


@dataclass(frozen=True, slots=True)
class Person:
    """One annotated person: their own pixels, and the widened box that would be painted."""

    own: Array
    box: tuple[int, int, int, int]


class Segmenter:
    """How likely each pixel of a picture is a person's."""

    def __init__(self, weights: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        self._session = ort.InferenceSession(str(weights), options)
        self._input = self._session.get_inputs()[0].name

    def person(self, picture: Array) -> Array:
        """Float ``[rows, columns]``."""
        small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
        planes = np.ascontiguousarray(small[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
        logits = np.asarray(self._session.run(None, {self._input: planes})[0])[0]
        odds = np.exp(logits - logits.max(axis=0))
        share = odds[_PERSON] / odds.sum(axis=0)
        return np.asarray(cv2.resize(share, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))

    def person_in(self, picture: Array, box: tuple[int, int, int, int]) -> Array:
        """The same, seen in a close-up of the box; nobody elsewhere."""
        x0, y0, x1, y1 = box
        found: Array = np.zeros(picture.shape[:2], np.float32)
        found[y0:y1, x0:x1] = self.person(picture[y0:y1, x0:x1])
        return found


def people(picture: Array, polygons: str) -> Iterator[Person]:
    """Everybody large enough in the annotation."""
    height, width = picture.shape[:2]
    for line in polygons.splitlines():
        kind, *numbers = line.split()
        if kind != _ANNOTATED_PERSON:
            continue
        corners = (np.array(numbers, float).reshape(-1, 2) * (width, height)).round().astype(np.int32)
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0) + 1
        if x1 - x0 < _SMALLEST[0] or y1 - y0 < _SMALLEST[1]:
            continue
        own = np.zeros((height, width), np.uint8)
        cv2.fillPoly(own, [corners], 1)
        across, down = int(_GROW * (x1 - x0)), int(_GROW * (y1 - y0))
        yield Person(own, (max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down)))


def silhouette(likely: Array, box: tuple[int, int, int, int], least_score: float, dilation: float) -> Array:
    """What would be painted: 0 or 1 per pixel, inside the box."""
    x0, y0, x1, y1 = box
    reach = int(dilation * max(x1 - x0, y1 - y0))
    wide = (likely > least_score).astype(np.uint8)
    if reach:
        wide = cv2.dilate(wide, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    painted: Array = np.zeros_like(wide)
    painted[y0:y1, x0:x1] = wide[y0:y1, x0:x1]
    return painted


def judged(person: Person, painted: Array) -> tuple[float, float, float]:
    """Hidden share of the person, of their upper fifth, and painted share of the box."""
    x0, y0, x1, y1 = person.box
    rows = np.flatnonzero(person.own.any(axis=1))
    head = person.own.copy()
    head[rows[0] + (rows[-1] + 1 - rows[0]) // 5 :] = 0
    shares = [float((painted & part).sum() / max(1, part.sum())) for part in (person.own, head)]
    return shares[0], shares[1], float(painted.sum() / ((x1 - x0) * (y1 - y0)))


def measure(segmenter: Segmenter, folder: Path) -> list[Row]:
    """Every way, over every person of the folder's pictures."""
    found: dict[tuple[str, float, float], list[tuple[float, float, float]]] = {}
    for annotation in sorted(folder.glob("*.seg.txt")):
        picture = cv2.imread(str(annotation.with_name(annotation.name.split(".")[0] + ".jpg")))
        if picture is None:
            continue
        whole: Array | None = None
        for person in people(picture, annotation.read_text()):
            whole = segmenter.person(picture) if whole is None else whole
            ways = {"whole picture": whole, "close-up of the box": segmenter.person_in(picture, person.box)}
            for (seen, likely), score, dilation in _every(ways):
                painted = silhouette(likely, person.box, score, dilation)
                found.setdefault((seen, score, dilation), []).append(judged(person, painted))
    return [_row(way, np.array(shares)) for way, shares in found.items()]


def _every(ways: dict[str, Array]) -> Iterator[tuple[tuple[str, Array], float, float]]:
    return ((way, score, dilation) for way in ways.items() for score in _SCORES for dilation in _DILATIONS)


def _row(way: tuple[str, float, float], shares: Array) -> Row:
    own, head, painted = shares.T
    boxed = painted < _FALLBACK
    figures = (
        own.mean(),
        (own >= _FULLY).mean(),
        (head >= _FULLY).mean(),
        (head < 0.5).mean(),
        painted.mean(),
        boxed.mean(),
        (boxed | (own >= _FULLY)).mean(),
        np.where(boxed, 1.0, painted).mean(),
    )
    return Row(*way, *(round(float(figure), 3) for figure in figures))


def page(rows: Sequence[Row], count: int) -> str:
    """The page ``docs/benchmarks/segmentation.md``."""
    return "\n".join(_lines(rows, count)) + "\n"


def _lines(rows: Sequence[Row], count: int) -> Iterator[str]:
    yield '# Silhouettes instead of boxes: why there is no `shape = "segmentation"`\n'
    used = ", ".join(f"{name} {value}" for name, value in versions().items())
    yield f"Written by `python -m benchmarks.segmentation`; do not edit. {used}.\n"
    yield (
        f"{count} annotated people of at least {_SMALLEST[0]} x {_SMALLEST[1]} pixels in the test photographs; DeepLab "
        "v3 (MobileNet v2, Pascal VOC). Painted is what scores at least so much, widened by so much of the box's "
        f"longer side, inside the true box widened by {_GROW} as policy `full` does. The box itself hides everybody.\n"
    )
    yield (
        f"`fully`: at least {_FULLY} of their annotated pixels are painted. `head`: their upper fifth. With fallback: "
        f"the whole box where the silhouette covers less than {_FALLBACK} of it.\n"
    )
    yield (
        "| seen in | score | widened | pixels hidden | people fully | heads fully | heads half open | of the box "
        "painted | fallback | people fully with it | of the box with it |"
    )
    yield "|---" * 11 + "|"
    for row in rows:
        yield "| " + " | ".join(str(value) for value in asdict(row).values()) + " |"


def main(arguments: list[str] | None = None) -> int:
    """Measure and write page and JSON; 2 when pictures or weights are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_OUT)
    options = parser.parse_args(arguments)
    mirror = Path(os.environ.get("OPENDRAPE_MODELS_MIRROR") or ROOT.parent / "shared" / "models")
    folder, weights = test_media() / "images_coco", mirror / _WEIGHTS
    if not weights.is_file() or not any(folder.glob("*.seg.txt")):
        return 2
    rows = measure(Segmenter(weights), folder)
    count = sum(
        1
        for annotation in folder.glob("*.seg.txt")
        for _ in people(cv2.imread(str(folder / f"{annotation.name.split('.')[0]}.jpg")), annotation.read_text())
    )
    options.out.mkdir(parents=True, exist_ok=True)
    facts = {"machine": machine(), "versions": versions(), "people": count, "rows": [asdict(row) for row in rows]}
    (options.out / "segmentation.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (options.out / "segmentation.md").write_text(page(rows, count), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
