"""I-06, V-03: a video masked in pieces is masked like the video in one piece, with one pass or two."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.domain.policy import Motion, Role
from opendrape.domain.regions import MarkedRegion, MaskReport
from opendrape.domain.timeline import FrameSpan
from opendrape.settings import shipped
from opendrape_masker.detectors import Detector, build_detector
from opendrape_masker.engine.looking import Watch
from opendrape_masker.engine.paint import PixelRect
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.reports import summed
from tests.fakes.detectors import ScriptedDetector
from tests.integration.masker.workbench import FACE, POLICY, SIZE, Bench, Clip, Masked, moving_pattern, walker
from tests.integration.media.footage import clip as footage

TEXT = FACE.model_copy(
    update={"role": Role.TEXT, "motion": Motion.STATIC, "max_gap_seconds": Fraction(1, 2), "weak_score": 0.5}
)


def painted_in_pieces(bench: Bench, spans: tuple[FrameSpan, ...]) -> tuple[dict[int, object], MaskReport]:
    pieces = [bench.mask(span) for span in spans]
    painted: dict[int, object] = {}
    for piece in pieces:
        painted |= piece.painted
    return painted, summed([piece.report for piece in pieces])


def variable_rate(path: Path) -> Clip:
    """Frames left out here and there: gaps of one to twenty frames."""
    wanted = "+".join(f"eq(mod(n\\,40)\\,{n})" for n in (0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 36, 37, 38))
    return moving_pattern(path, "-vf", f"select='{wanted}'", "-fps_mode", "vfr", seconds="8")


@pytest.mark.parametrize("make", [moving_pattern, variable_rate])
@pytest.mark.parametrize("rules", [(FACE,), (FACE, TEXT), (FACE.model_copy(update={"weak_score": 0.5}),)])
def test_pieces_have_the_regions_of_the_whole(
    tmp_path: Path, make: Callable[[Path], Clip], rules: tuple[object, ...]
) -> None:
    """I-06: on every frame, and the counts of the pieces add up to those of the whole."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    policy = POLICY.model_copy(update={"detect": rules})
    bench = Bench(make(tmp_path / "clip.mp4"), folder, policy)
    spans = bench.clip.timeline.chunks(policy.chunk_seconds)
    whole = bench.mask()
    painted, report = painted_in_pieces(bench, spans)
    assert len(spans) > 3
    assert painted == whole.painted
    assert any(whole.painted.values())
    assert not all(whole.painted.values())
    for name in ("frames", "masked_frames", "detections", "tracks", "accounts"):
        assert getattr(report, name) == getattr(whole.report, name), name


def test_one_frame_pieces_have_the_regions_of_the_whole(bench: Bench) -> None:
    """I-06: also the smallest piece there can be, with most of its context outside."""
    whole = bench.mask()
    painted, _ = painted_in_pieces(bench, tuple(FrameSpan(frame, frame + 1) for frame in (0, 13, 36, 74)))
    assert painted == {frame: whole.painted[frame] for frame in painted}


def test_two_passes_paint_and_write_what_one_pass_does(bench: Bench) -> None:
    """V-03: a window too small for the look-ahead changes the way, not the result, to the byte."""
    for span in (bench.clip.whole, FrameSpan(12, 36), FrameSpan(36, 75)):
        once, twice = bench.mask(span), bench.with_(window_bytes=0).mask(span)
        assert once.evidence.read_bytes() == twice.evidence.read_bytes()
        assert once.chunk.read_bytes() == twice.chunk.read_bytes()
        assert once.report.accounts == twice.report.accounts


def test_many_looks_do_not_pile_up_in_the_first_of_two_passes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the video: looks wait for a slow detector in a bounded number."""
    waiting: list[int] = []
    detector = ScriptedDetector(walker, SIZE)
    every_frame = FACE.model_copy(update={"max_gap_seconds": Fraction(1, 100)})
    keep_up = Watch.keep_up

    def watched(self: Watch, pending: int) -> None:
        keep_up(self, pending)
        waiting.append(len(self._asked))

    monkeypatch.setattr(Watch, "keep_up", watched)
    changed = {"policy": POLICY.model_copy(update={"detect": (every_frame,)}), "first": detector, "window_bytes": 0}
    bench.with_(**changed).mask()
    assert len(detector.asked) == 75
    assert max(waiting) <= 6


def test_each_look_is_asked_once_and_by_the_plan_of_the_whole_video(bench: Bench) -> None:
    """V-02: a piece asks at looks of the whole video only, before and behind itself too."""
    detector = ScriptedDetector(walker, SIZE)
    bench.with_(first=detector).mask(FrameSpan(24, 36))
    looks = bench.clip.timeline.looks(FACE.max_gap_seconds)
    assert detector.asked == sorted(set(detector.asked))
    assert set(detector.asked) <= set(looks)
    assert min(detector.asked) < 24
    assert max(detector.asked) > 36


def test_without_detectors_everything_is_a_plain_transcode(bench: Bench) -> None:
    """V-01: the level that masks only what was marked."""
    done = bench.with_(policy=POLICY.model_copy(update={"detect": ()})).mask()
    assert not any(done.painted.values())
    assert done.report.accounts == {}
    assert done.report.masked_frames == 0


def test_marked_regions_are_painted_on_their_frames_in_every_piece(bench: Bench) -> None:
    """V-01: frames count from the start of the video, whatever the piece."""
    mark = MarkedRegion(x=100, y=80, width=20, height=16, start_frame=10, end_frame=40)
    nobody = bench.with_(regions=(mark,), policy=POLICY.model_copy(update={"detect": ()}))
    painted, _ = painted_in_pieces(nobody, (FrameSpan(0, 30), FrameSpan(30, 75)))
    assert [frame for frame, regions in painted.items() if regions] == list(range(10, 40))
    assert painted[10] == (PixelRect(98, 78, 122, 98),)


def test_the_same_thing_seen_at_two_sizes_counts_once(bench: Bench) -> None:
    """V-03: more sizes find more things, not more of the same."""
    twice = FACE.model_copy(update={"long_side_pixels": (192, 96)})
    done = bench.with_(policy=POLICY.model_copy(update={"detect": (twice,)})).mask()
    once = bench.mask()
    assert done.report.detections == once.report.detections
    assert done.report.tracks == once.report.tracks
    assert done.report.models[0].long_side_pixels == (192, 96)


def test_two_rules_of_one_role_count_every_frame_once(bench: Bench) -> None:
    """V-02: the counts of a role add up to the frames, however many rules share it."""
    slow = FACE.model_copy(update={"max_gap_seconds": Fraction(2, 5)})
    done = bench.with_(policy=POLICY.model_copy(update={"detect": (FACE, slow)})).mask()
    account = done.report.accounts["face"]
    assert account.examined + account.inside_track + account.bracketed == 75
    assert account.examined == bench.mask().report.accounts["face"].examined, "the looks of one are among the other's"


@pytest.fixture(scope="session")
def faces(models_dir: Path) -> Detector:
    """The shipped face detector on the real runtime."""
    session = OnnxRuntimeSession(models_dir, threads=1, deadline_seconds=60.0)
    return build_detector(Role.FACE, session=session, repository=shipped("model_repository"), floor_score=0.2)


@pytest.mark.models
@pytest.mark.media
def test_the_real_detector_masks_pieces_like_the_whole(faces: Detector, tmp_path: Path) -> None:
    """I-06: real faces, variable frame rate, wherever the cut lies; one pass and two."""
    real = Clip.of(footage("clips/stage_vfr_640x360.mp4"))
    rule = FACE.model_copy(update={"long_side_pixels": (320,), "strong_score": 0.6})
    bench = Bench(real, tmp_path, POLICY.model_copy(update={"detect": (rule,)}), first=faces)
    whole: Masked = bench.mask(FrameSpan(0, 150))
    painted, _ = painted_in_pieces(bench, (FrameSpan(0, 31), FrameSpan(31, 87), FrameSpan(87, 150)))
    assert painted == whole.painted
    assert any(painted.values())
    assert bench.with_(window_bytes=0).mask(FrameSpan(31, 87)).painted == {f: painted[f] for f in range(31, 87)}
