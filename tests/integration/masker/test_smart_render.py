"""V-11: the engine encodes the groups of pictures that are masked, copies the others, and proves both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from opendrape.domain.policy import EncodeRule
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.copying import Copyable, copyable_groups
from opendrape.media.limits import MediaLimits
from opendrape.media.reader import Picture, read_pictures
from opendrape.media.writer import read_chunk
from opendrape_masker.engine import foresight, render
from opendrape_masker.engine.checking import ChunkCheck
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.looking import Watch
from tests.fakes.detectors import Hit, ScriptedDetector
from tests.fakes.faults import Injected
from tests.integration.masker.workbench import (
    AGAIN,
    FACE,
    GROUP,
    SIZE,
    SMART,
    Bench,
    Clip,
    Masked,
    moving_pattern,
)


def bench_on(clip: Clip, folder: Path, seen: Any = None) -> Bench:
    script = somebody_in_the_fourth_second if seen is None else seen
    scratch = folder / "scratch"
    scratch.mkdir()
    return Bench(clip, scratch, SMART, first=ScriptedDetector(script, SIZE))


def somebody_in_the_fourth_second(frame: int) -> Sequence[Hit]:
    return [(60.0, 40.0, 90.0, 70.0, 0.9)] if 82 <= frame <= 92 else []


def pixels(pictures: object) -> list[str]:
    def one(picture: Picture) -> str:
        digest = sha256()
        for plane in picture.planes:
            for row in range(plane.height):
                digest.update(plane.memory[row * plane.stride : row * plane.stride + plane.width])
        return digest.hexdigest()

    return [one(picture) for picture in pictures]  # type: ignore[attr-defined]


def written(clip: Clip, done: Masked) -> list[str]:
    return pixels(read_chunk(done.chunk, media=clip.media, threads=1))


def original(clip: Clip) -> list[str]:
    descriptor = os.open(clip.path, os.O_RDONLY)
    try:
        return pixels(
            read_pictures(
                descriptor,
                media=clip.media,
                timeline=clip.timeline,
                span=clip.whole,
                limits=MediaLimits(),
                threads=1,
            )
        )
    finally:
        os.close(descriptor)


def test_only_the_group_with_somebody_in_it_is_encoded(groups: Clip, tmp_path: Path) -> None:
    """V-11: every frame outside is the source's to the sample, every masked one is painted and proven."""
    bench = bench_on(groups, tmp_path)
    done = bench.mask()
    smart = done.report.smart_render
    assert smart.encoded_frames == {"masked": GROUP}
    assert smart.copied_frames == 7 * GROUP
    source, result = original(groups), written(groups, done)
    same = [frame for frame in groups.whole if source[frame] == result[frame]]
    assert same == [frame for frame in groups.whole if frame // GROUP != 3]
    assert {82, 87, 92} <= {frame for frame, painted in done.painted.items() if painted}
    assert done.report.checks.frames_checked == len(groups.timeline)
    assert sum(done.report.accounts["face"].model_dump().values()) == len(groups.timeline)


def test_nothing_is_decoded_that_nobody_looks_at(groups: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-11: in a video without anybody only the looks come out of the decoder."""
    came: list[int] = []
    take = render.Renderer._take

    def noting(self: render.Renderer, picture: Picture, pool: object) -> None:
        came.append(picture.index)
        take(self, picture, pool)  # type: ignore[arg-type]

    monkeypatch.setattr(render.Renderer, "_take", noting)
    bench = bench_on(groups, tmp_path, {})
    done = bench.mask()
    assert came == list(groups.timeline.looks(FACE.max_gap_seconds))
    assert done.report.smart_render.copied_frames == len(groups.timeline)
    assert done.report.smart_render.encoded_frames == {}
    assert written(groups, done) == original(groups)


def test_a_group_that_was_encoded_for_nothing_is_copied_after_all(groups: Clip, tmp_path: Path) -> None:
    """V-11: somebody who leaves makes the next groups be decoded whole; their packets are the source's all the same."""
    bench = bench_on(groups, tmp_path, lambda frame: [(60.0, 40.0, 90.0, 70.0, 0.9)] if frame < 22 else [])
    done = bench.mask()
    assert done.report.smart_render.encoded_frames == {"masked": 2 * GROUP}  # held on into the second group
    assert done.report.smart_render.searched_frames < 6 * GROUP, "the third group was expected to show somebody"
    assert written(groups, done)[2 * GROUP :] == original(groups)[2 * GROUP :]


def test_marked_regions_make_their_groups_encoded(groups: Clip, tmp_path: Path) -> None:
    """V-01: what a person marked is painted, also where no detector looks."""
    mark = MarkedRegion(x=100, y=80, width=20, height=16, start_frame=60, end_frame=80)
    for number, detect in enumerate(((FACE,), ())):
        policy = SMART.model_copy(update={"detect": detect})
        (tmp_path / str(number)).mkdir()
        done = bench_on(groups, tmp_path / str(number), {}).with_(regions=(mark,), policy=policy).mask()
        assert done.report.smart_render.encoded_frames == {"masked": 2 * GROUP}
        assert [frame for frame, painted in sorted(done.painted.items()) if painted] == list(range(60, 80))


def test_what_the_second_look_finds_in_a_copied_group_is_masked(groups: Clip, tmp_path: Path) -> None:
    """V-15: the copied group is then encoded, and nothing is found any more."""
    policy = SMART.model_copy(update={"residual": (AGAIN,)})
    overlooked = ScriptedDetector({130: [(140.0, 20.0, 164.0, 50.0, 0.8)]}, SIZE, name="second")
    done = bench_on(groups, tmp_path, {}).with_(policy=policy, second=overlooked).mask()
    assert done.report.checks.remasked_rounds == 1
    assert 130 in overlooked.asked
    assert done.painted[130]
    assert done.report.smart_render.encoded_frames["masked"] < len(groups.timeline)


def test_whoever_does_not_want_it_gets_everything_encoded(groups: Clip, tmp_path: Path) -> None:
    """V-11: the reason is in the report."""
    policy = SMART.model_copy(update={"encode": EncodeRule(preset="ultrafast", smart_render=False)})
    done = bench_on(groups, tmp_path, {}).with_(policy=policy).mask()
    assert done.report.smart_render.encoded_frames == {"smart_render_off": len(groups.timeline)}
    hevc = SMART.model_copy(update={"encode": EncodeRule(preset="ultrafast", codec="hevc")})
    (tmp_path / "hevc").mkdir()
    done = bench_on(groups, tmp_path / "hevc", {}).with_(policy=hevc).mask()
    assert done.report.smart_render.encoded_frames == {"smart_render_codec": len(groups.timeline)}


def test_pieces_and_small_windows_mask_what_the_whole_does(groups: Clip, tmp_path: Path) -> None:
    """I-06: also where groups are searched, copied and read twice."""
    bench = bench_on(groups, tmp_path)
    whole = bench.mask()
    masked = {frame: painted for frame, painted in whole.painted.items() if painted}
    for window in (0, 1 << 30):
        pieces = [bench.with_(window_bytes=window).mask(FrameSpan(a, a + 50)) for a in range(0, 200, 50)]
        seen = {frame: painted for piece in pieces for frame, painted in piece.painted.items() if painted}
        assert seen == masked
        assert sum(piece.report.smart_render.copied_frames for piece in pieces) == 7 * GROUP


def test_a_copied_group_that_is_not_the_sources_is_an_error(groups: Clip, tmp_path: Path) -> None:
    """V-11: another video's packets under the same times do not pass the check."""
    bench = bench_on(groups, tmp_path, {})
    done = bench.mask()
    other = moving_pattern(tmp_path / "other.mp4", "-pix_fmt", "yuv420p", "-g", "25", "-vf", "hflip", seconds="8")
    descriptor = os.open(other.path, os.O_RDONLY)
    try:
        source = copyable_groups(
            descriptor, media=other.media, timeline=other.timeline, limits=MediaLimits(), encode=SMART.encode
        )
        assert isinstance(source, Copyable)
        spans = [group.span for group in source.groups]
        job = bench.job(groups.whole, descriptor)
        with pytest.raises(FidelityBroken):
            ChunkCheck(job, done.chunk, done.evidence, (), lambda _frame: None, source, spans).run()
    finally:
        os.close(descriptor)


def test_a_copied_group_nobody_accounts_for_is_an_error(groups: Clip, tmp_path: Path) -> None:
    """V-11: a span that is said to be neither encoded nor copied is missed."""
    bench = bench_on(groups, tmp_path, {})
    done = bench.mask()
    descriptor = os.open(groups.path, os.O_RDONLY)
    try:
        job = bench.job(groups.whole, descriptor)
        source = copyable_groups(
            descriptor, media=groups.media, timeline=groups.timeline, limits=MediaLimits(), encode=SMART.encode
        )
        assert isinstance(source, Copyable)
        spans = [group.span for group in source.groups][:-1]
        with pytest.raises(FidelityBroken, match="frame count"):
            ChunkCheck(job, done.chunk, done.evidence, (), lambda _frame: None, source, spans).run()
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Watch, "sees_something"),
        (Watch, "would_see"),
        (Watch, "lately"),
        (TrackLine, "is_strong"),
        (foresight, "_touches"),
        (foresight.Foresight, "_glimpse"),
        (render, "SplicedWriter"),
        (render.Renderer, "_copy"),
        (render.Renderer, "_end"),
    ],
)
def test_an_error_in_a_decision_surfaces(
    owner: object, name: str, groups: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16: no decision about copying can fail unheard."""

    def fails(*_: object, **__: object) -> object:
        raise Injected

    monkeypatch.setattr(owner, name, property(fails) if name in ("sees_something", "lately") else fails)
    region = MarkedRegion(x=0, y=0, width=8, height=8, start_frame=190)
    with pytest.raises(Injected):
        bench_on(groups, tmp_path).with_(regions=(region,)).mask()


def test_the_report_of_a_video_adds_up(groups: Clip, tmp_path: Path) -> None:
    """V-11: copied and encoded frames of all pieces."""
    from opendrape_masker.reports import summed

    bench = bench_on(groups, tmp_path)
    reports = [bench.mask(FrameSpan(a, a + 100)).report for a in (0, 100)]
    smart = summed(reports).smart_render
    assert smart.copied_frames + sum(smart.encoded_frames.values()) == len(groups.timeline)
    assert Fraction(smart.copied_frames, len(groups.timeline)) == Fraction(7, 8)
