"""V-12: exactly the chosen frames leave, masked as the whole video is, under names and times that are true."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from opendrape.adapters.policy_files import PolicyShelf
from opendrape.bootstrap import Container
from opendrape.domain.frames import ChosenSegment, FrameRequest, FrameState, NewFrames
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import ArtefactKind
from opendrape.errors import PolicyInvalid
from opendrape.ledger.frame_service import FrameService
from opendrape_masker.composition import build_masker
from tests.integration.frames.numbered import (
    FRAMES,
    delivered,
    number_on,
    numbered_clip,
    opened,
    seconds_by_ffprobe,
    shown_corner,
)

pytestmark = pytest.mark.timeout(120)
SEGMENTS = (
    ChosenSegment(1, FrameSpan(0, 2)),
    ChosenSegment(2, FrameSpan(47, 54)),
    ChosenSegment(3, FrameSpan(52, 57)),
    ChosenSegment(4, FrameSpan(FRAMES - 1, FRAMES)),
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_clip(tmp_path_factory.mktemp("clip") / "film.mp4")


@pytest.fixture(scope="module")
def video(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, str]]:
    with delivered(tmp_path_factory.mktemp("house"), clip) as ready:
        yield ready


def asked(video: tuple[Container, str], *segments: ChosenSegment, picture_format: str = "png") -> FrameRequest:
    """Ask, and let a worker do it; the request as it ended."""
    container, asset_id = video
    policy = container.policies.get("corner").reference
    new = NewFrames(str(uuid4()), "test", asset_id, policy, picture_format, segments or SEGMENTS)
    container.frames.start(new, limit=5, actor="test")
    (worker,) = build_masker(container)
    assert worker.run_once()
    return container.frames.request(new.request_id)


def content(container: Container, request: FrameRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    assert request.state is FrameState.COMPLETED, request.reason
    assert request.archive is not None
    assert container.work_blobs.digest(request.archive.name).sha256 == request.archive.sha256
    with container.work_blobs.open(request.archive.name) as blob:
        return opened(blob.read())


@pytest.fixture
def without_the_masked_video(video: tuple[Container, str]) -> Iterator[None]:
    """As after tidying: the masked file is gone, the source is masked anew."""
    container, asset_id = video
    digest = container.catalogue.asset(asset_id).policy.digest
    (masked,) = container.catalogue.artefacts(asset_id, digest, ArtefactKind.MASKED)
    place = container.settings.work_dir / masked.name
    aside = place.with_suffix(".aside")
    os.rename(place, aside)
    yield
    os.rename(aside, place)


def assert_exact(manifest: dict[str, Any], pictures: dict[str, Any], asset_id: str) -> None:
    meant = {
        f"{asset_id}/segment-{one.segment_id}/frame-{frame:07d}.png": frame for one in SEGMENTS for frame in one.span
    }
    assert set(pictures) == set(meant)
    for name, frame in meant.items():
        assert number_on(pictures[name]) == frame
        assert shown_corner(pictures[name]).max() <= 12
    assert {entry["name"]: entry["frame"] for entry in manifest["pictures"]} == meant


def test_exactly_the_frames_of_the_segments_come_from_the_masked_video(video: tuple[Container, str]) -> None:
    """V-12: [start, end), 0-based, in presentation order; B-frames and a variable rate do not shift them."""
    container, asset_id = video
    assert_exact(*content(container, asked(video)), asset_id)


def test_times_that_were_damaged_at_rest_are_made_again_first(video: tuple[Container, str]) -> None:
    """V-12, O-03: a delivered video is never planned again: the request itself puts its timeline back."""
    container, asset_id = video
    digest = container.catalogue.asset(asset_id).policy.digest
    (planned,) = container.catalogue.artefacts(asset_id, digest, ArtefactKind.TIMELINE)
    stored = container.settings.work_dir / planned.name
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    assert_exact(*content(container, asked(video)), asset_id)
    assert container.work_blobs.digest(planned.name).sha256 == planned.sha256


def test_they_are_the_same_when_the_source_is_masked_for_them(
    video: tuple[Container, str], without_the_masked_video: None
) -> None:
    """V-12: what is masked for the request is what the engine paints for the whole video; the corner in every frame."""
    container, asset_id = video
    assert_exact(*content(container, asked(video)), asset_id)


def test_both_ways_show_the_same_pixels(video: tuple[Container, str], request: pytest.FixtureRequest) -> None:
    """V-12: up to what the encoder makes of it."""
    container, _ = video
    _, finished = content(container, asked(video))
    request.getfixturevalue("without_the_masked_video")
    _, anew = content(container, asked(video))
    for name, pixels in finished.items():
        assert np.abs(pixels.astype(int) - anew[name].astype(int)).mean() < 2


def test_the_times_are_those_that_another_program_finds(video: tuple[Container, str], clip: Path) -> None:
    """V-12: against ffprobe, on a variable frame rate."""
    container, _ = video
    meant = seconds_by_ffprobe(clip)
    assert len(meant) == FRAMES
    assert len({b - a for a, b in pairwise(meant)}) > 1
    manifest, _ = content(container, asked(video))
    for entry in manifest["pictures"]:
        assert Fraction(entry["seconds"]) == meant[entry["frame"]]


@pytest.mark.parametrize(("picture_format", "magic"), [("jpg", b"\xff\xd8\xff"), ("webp", b"RIFF")])
def test_other_formats_show_the_same(video: tuple[Container, str], picture_format: str, magic: bytes) -> None:
    """V-12: jpg and webp; nothing but pixels in them."""
    container, asset_id = video
    ended = asked(video, ChosenSegment(9, FrameSpan(30, 32)), picture_format=picture_format)
    _, pictures = content(container, ended)
    assert sorted(pictures) == [f"{asset_id}/segment-9/frame-{n:07d}.{picture_format}" for n in (30, 31)]
    for name, pixels in pictures.items():
        assert number_on(pixels) == int(name[-11 : -len(picture_format) - 1])
        assert shown_corner(pixels).mean() <= 12
    assert ended.archive is not None
    with container.work_blobs.open(ended.archive.name) as blob:
        stored = blob.read()
    assert magic in stored
    assert b"Exif" not in stored
    assert b"Lavc" not in stored


def test_frames_past_the_end_are_refused_and_nothing_is_written(video: tuple[Container, str]) -> None:
    """V-12, V-16: fail closed, with the reason."""
    container, _ = video
    before = [entry.name for entry in container.work_blobs.list("frames/")]
    ended = asked(video, ChosenSegment(1, FrameSpan(FRAMES - 2, FRAMES + 1)))
    assert (ended.state, ended.reason, ended.archive) == (FrameState.FAILED, "span_invalid", None)
    assert [entry.name for entry in container.work_blobs.list("frames/")] == before


def test_a_changed_source_delivers_nothing(
    video: tuple[Container, str], clip: Path, without_the_masked_video: None
) -> None:
    """V-16: what is masked must be what was registered."""
    kept = clip.read_bytes()
    try:
        clip.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        ended = asked(video)
    finally:
        clip.write_bytes(kept)
    assert (ended.state, ended.archive) == (FrameState.FAILED, None)
    assert ended.reason == "source_changed"


def test_a_damaged_masked_video_is_not_used(video: tuple[Container, str]) -> None:
    """V-16: its digest is asked before any frame is taken from it."""
    container, asset_id = video
    digest = container.catalogue.asset(asset_id).policy.digest
    (masked,) = container.catalogue.artefacts(asset_id, digest, ArtefactKind.MASKED)
    place = container.settings.work_dir / masked.name
    kept = place.read_bytes()
    try:
        place.chmod(0o600)
        place.write_bytes(kept[: len(kept) // 2] + b"\0" + kept[len(kept) // 2 + 1 :])
        assert_exact(*content(container, asked(video)), asset_id)
    finally:
        place.write_bytes(kept)


def test_another_level_hides_what_the_videos_device_shows_as_well(video: tuple[Container, str]) -> None:
    """V-01, V-04: a video's device profile is masked at every level, also at one that knows nothing of it."""
    container, asset_id = video
    assert container.policies.get("minimal").device is None
    span = FrameSpan(60, 63)
    segment = container.segments.add(asset_id, label="x", span=span, actor="test")
    wish = {"video_id": asset_id, "segment_ids": [segment.segment_id], "anonymization_level": "minimal"}
    taken = FrameService(container).start(wish, owner="test", actor="test")
    (worker,) = build_masker(container)
    assert worker.run_once()
    _, pictures = content(container, container.frames.request(taken.request_id))
    assert sorted(number_on(pixels) for pixels in pictures.values()) == list(span)
    assert all(shown_corner(pixels).mean() <= 12 for pixels in pictures.values())


def test_a_video_whose_own_policy_is_not_known_any_more_gives_no_frames(video: tuple[Container, str]) -> None:
    """V-16: what must be hidden would not be known."""
    container, asset_id = video
    segment = container.segments.add(asset_id, label="x", span=FrameSpan(0, 1), actor="test")
    place = container.settings.work_dir / "policies" / f"{container.catalogue.asset(asset_id).policy.digest}.json"
    aside = place.with_suffix(".aside")
    os.rename(place, aside)
    forgetful = SimpleNamespace(
        settings=container.settings,
        clock=container.clock,
        catalogue=container.catalogue,
        frames=container.frames,
        segments=container.segments,
        policies=PolicyShelf(container.settings.policy_folders, container.work_blobs),
    )
    wish = {"video_id": asset_id, "segment_ids": [segment.segment_id], "anonymization_level": "minimal"}
    try:
        with pytest.raises(PolicyInvalid):
            FrameService(forgetful).start(wish, owner="test", actor="test")
    finally:
        os.rename(aside, place)
