"""Which pictures stand for a whole video, chosen and decoded cheaply: the same ones whichever chunk asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.key_pictures import read_key_pictures
from opendrape.media.reader import Picture
from opendrape.media.sparse_reader import read_wanted
from opendrape_masker.engine.pictures import Array, plane_array
from opendrape_masker.engine.render import Job

LONG_SIDE = 960
"""Longest side of the compared pictures, as stored: small lettering keeps its edges."""
ENOUGH_KEY_FRAMES = 24
_MOST_DECODED = 300
_FEW_SAMPLES = 32


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """Frames to look at, in order. ``runs`` are decoded from their first frame on; without runs: key frames alone."""

    frames: tuple[int, ...]
    runs: tuple[FrameSpan, ...] = ()


def survey_plan(timeline: Timeline, samples: int) -> SurveyPlan:
    """A function of the timeline alone.

    A video with many key frames is surveyed by them; one with few is short (or has very long groups of pictures): up
    to 300 frames from its key frames on are decoded then.
    """
    keys = timeline.key_frames
    if len(keys) >= ENOUGH_KEY_FRAMES:
        return SurveyPlan(tuple(keys[n] for n in _spread(len(keys), samples)))
    each = max(1, min(samples, _FEW_SAMPLES) // len(keys))
    frames: list[int] = []
    runs: list[FrameSpan] = []
    for start, end in pairwise((*keys, len(timeline))):
        usable = min(end - start, _MOST_DECODED // len(keys))
        chosen = [start + n for n in _spread(usable, each)]
        frames += chosen
        runs.append(FrameSpan(start, chosen[-1] + 1))
    return SurveyPlan(tuple(frames), tuple(runs))


def small_lumas(job: Job, frames: Sequence[int], runs: Sequence[FrameSpan]) -> Iterator[tuple[int, Array]]:
    """Frame number and small luma picture, uint8 ``[rows, columns]`` as stored, for every frame of a plan."""
    for picture in _pictures(job, frames, runs):
        yield picture.index, small_luma(picture)


def small_luma(picture: Picture) -> Array:
    """The luma plane at eight bits with its longest side at 960 samples (never enlarged)."""
    plane = plane_array(picture.planes[0])
    scale = min(1.0, LONG_SIDE / max(plane.shape))
    size = (max(1, round(plane.shape[1] * scale)), max(1, round(plane.shape[0] * scale)))
    small: Array = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    if picture.bit_depth > 8:
        small = cv2.convertScaleAbs(small, alpha=2.0 ** (8 - picture.bit_depth))
    return np.ascontiguousarray(small)


def _pictures(job: Job, frames: Sequence[int], runs: Sequence[FrameSpan]) -> Iterator[Picture]:
    wanted = frozenset(frames)
    if not runs:
        yield from read_key_pictures(
            job.descriptor, media=job.media, timeline=job.timeline, frames=frames, limits=job.limits
        )
    for run in runs:
        yield from read_wanted(
            job.descriptor,
            media=job.media,
            timeline=job.timeline,
            span=run,
            limits=job.limits,
            threads=job.threads,
            wanted=wanted.__contains__,
        )


def _spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of ``range(count)``, evenly, first and last among them."""
    if count <= wanted:
        return list(range(count))
    if wanted == 1:
        return [0]
    return [round(n * (count - 1) / (wanted - 1)) for n in range(wanted)]
