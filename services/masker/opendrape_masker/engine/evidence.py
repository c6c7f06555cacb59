"""What is remembered of every picture handed to the encoder, so that the written file can be held against it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from opendrape.errors import FidelityBroken
from opendrape.media.reader import Picture, Plane
from opendrape_masker.engine.pictures import Array, plane_array
from opendrape_masker.engine.regions import Painted, PixelRect

_HEAD = struct.Struct("<qqII")
_RECT = struct.Struct("<4i?B2I")
_WIDEST_LATTICE = 16
_SAMPLES_ACROSS = 64


@dataclass(frozen=True, slots=True)
class Record:
    """One picture: its tick, its painted regions, and its lattice samples (all planes, one after the other)."""

    frame: int
    tick: int
    painted: tuple[Painted, ...]
    samples: bytes

    @property
    def rectangles(self) -> tuple[PixelRect, ...]:
        """Where it was painted."""
        return tuple(region.rect for region in self.painted)


class EvidenceWriter:
    """Appends records to a file: memory does not grow with the video."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, picture: Picture, painted: Sequence[Painted]) -> None:
        """Remember ``picture`` as it is handed to the encoder, and what its painted regions hide."""
        samples = lattice_samples(picture, picture.index).tobytes()
        self.append(Record(picture.index, picture.tick, tuple(painted), samples))

    def append(self, record: Record) -> None:
        """Write one record."""
        self._file.write(_HEAD.pack(record.frame, record.tick, len(record.painted), len(record.samples)))
        for region in record.painted:
            self._file.write(_packed(region))
        self._file.write(record.samples)


def read_evidence(path: Path) -> Iterator[Record]:
    """The records in the order in which they were written. ``FidelityBroken`` when the file ends within one."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            frame, tick, count, size = _HEAD.unpack(_whole(head, _HEAD.size))
            painted = tuple(_read_region(file) for _ in range(count))
            yield Record(frame, tick, painted, _exactly(file, size))


def _packed(region: Painted) -> bytes:
    rect, label = region.rect, region.rect.label.encode()
    sizes = len(label), len(region.source), len(region.shown)
    return _RECT.pack(*rect.corners, rect.must_be_solid, *sizes) + label + region.source + region.shown


def _read_region(file: BinaryIO) -> Painted:
    x0, y0, x1, y1, must_be_solid, label_size, source_size, shown_size = _RECT.unpack(_exactly(file, _RECT.size))
    label = _exactly(file, label_size).decode()
    rect = PixelRect(x0, y0, x1, y1, label, must_be_solid)
    return Painted(rect, _exactly(file, source_size), _exactly(file, shown_size))


def _exactly(file: BinaryIO, size: int) -> bytes:
    return _whole(file.read(size), size)


def _whole(part: bytes, size: int) -> bytes:
    if len(part) != size:
        raise FidelityBroken("the evidence ends early", reason="evidence_damaged")
    return part


def lattice_samples(picture: Picture, frame: int) -> Array:
    """Samples of all planes on the lattice of ``frame``, flat.

    At most every 16th sample in both directions is kept, closer together in small pictures, at an offset that wanders
    from frame to frame.
    """
    parts = []
    for plane in picture.planes[:3]:
        rows, columns, step = _lattice(plane, frame)
        parts.append(plane_array(plane)[rows::step, columns::step].ravel())
    return np.concatenate(parts)


def lattice_outside(picture: Picture, frame: int, rectangles: Sequence[PixelRect]) -> Array:
    """True where a lattice sample lies outside every region, in the order of :func:`lattice_samples`."""
    edges = np.array([rect.corners for rect in rectangles], np.int64).reshape(-1, 4)
    masks = []
    for plane in picture.planes[:3]:
        rows, columns, step = _lattice(plane, frame)
        across, down = picture.width / plane.width, picture.height / plane.height
        tops, bottoms = _touched(np.arange(rows, plane.height, step) * down, down, edges[:, 1], edges[:, 3])
        lefts, rights = _touched(np.arange(columns, plane.width, step) * across, across, edges[:, 0], edges[:, 2])
        outside = np.ones((-(-(plane.height - rows) // step), -(-(plane.width - columns) // step)), bool)
        for top, bottom, left, right in zip(tops, bottoms, lefts, rights, strict=True):
            outside[top:bottom, left:right] = False
        masks.append(outside.ravel())
    return np.concatenate(masks)


def _touched(places: Array, extent: float, starts: Array, ends: Array) -> tuple[list[int], list[int]]:
    """Of every region ``[start, end)``, the first sample on the lattice that it touches and the one after the last."""
    first = np.searchsorted(places + extent, starts, side="right")
    return first.tolist(), np.searchsorted(places, ends, side="left").tolist()


def _lattice(plane: Plane, frame: int) -> tuple[int, int, int]:
    """First row, first column and step of the lattice."""
    step = max(1, min(_WIDEST_LATTICE, min(plane.width, plane.height) // _SAMPLES_ACROSS))
    return frame * 7 % step, frame * 5 % step, step
