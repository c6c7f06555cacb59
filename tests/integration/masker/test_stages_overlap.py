"""V-03, V-11: decoding, looking and encoding overlap, and what comes out does not depend on which of them is faster."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from opendrape_masker.engine import encoding
from opendrape_masker.engine.pictures import Still, View
from tests.fakes.detectors import Hit, ScriptedDetector
from tests.integration.masker.workbench import AGAIN, GROUP, SIZE, SMART, Bench, Clip, moving_pattern


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def now_and_then(frame: int) -> Sequence[Hit]:
    return [(60.0, 40.0, 90.0, 70.0, 0.9)] if frame < 5 or 45 <= frame < 50 or 120 <= frame < 140 else []


class Hesitant(ScriptedDetector):
    """Answers every look only when two more were asked for, or after a while: as late as a detector may be."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        self._more = threading.Condition()
        self._begun = 0

    def detect(self, pictures, frames):  # type: ignore[no-untyped-def]
        with self._more:
            self._begun += 1
            own = self._begun
            self._more.notify_all()
            self._more.wait_for(lambda: self._begun > own, timeout=0.02)
        return super().detect(pictures, frames)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("frames_in_window", [0, 45, 10_000])
def test_how_fast_a_detector_answers_changes_nothing(
    threads: int, frames_in_window: int, groups: Clip, scratch: Path
) -> None:
    """V-11: neither what is written nor which groups were expected to be masked."""
    window = frames_in_window * SIZE[0] * SIZE[1] * 3 // 2
    bench = Bench(groups, scratch, SMART, window_bytes=window, threads=threads)
    fast = bench.with_(first=ScriptedDetector(now_and_then, SIZE)).mask()
    slow = bench.with_(first=Hesitant(now_and_then, SIZE)).mask()
    assert fast.report.smart_render == slow.report.smart_render
    assert fast.report.accounts == slow.report.accounts
    assert fast.evidence.read_bytes() == slow.evidence.read_bytes()
    assert fast.chunk.read_bytes() == slow.chunk.read_bytes()
    assert 0 < fast.report.smart_render.copied_frames < len(groups.timeline)


def test_a_long_group_is_encoded_while_it_is_still_searched(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Speed: a group that was not kept is read again behind the search, not after it."""
    clip = moving_pattern(tmp_path / "clip.mp4", "-g", "1000", "-keyint_min", "1000", seconds="10")
    detector = ScriptedDetector(now_and_then, SIZE)
    looks_before_the_first_picture: list[int] = []
    encode = encoding.EncodingThread.encode

    def noting(self: encoding.EncodingThread, *given: object) -> None:
        looks_before_the_first_picture.append(len(detector.asked))
        encode(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(encoding.EncodingThread, "encode", noting)
    done = Bench(clip, scratch, SMART, first=detector, window_bytes=0).mask()
    assert done.report.smart_render.encoded_frames == {"masked": len(clip.timeline)}
    assert looks_before_the_first_picture[0] < len(detector.asked) / 2


@pytest.mark.parametrize("gap", [Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4)])
def test_second_looks_at_copied_groups_keep_the_distance_of_the_policy(
    gap: Fraction, groups: Clip, scratch: Path
) -> None:
    """V-15: the cheap first frame of a group stands for the ones inside, never for those of other groups."""
    again = AGAIN.model_copy(update={"max_gap_seconds": gap})
    second = ScriptedDetector({}, SIZE, name="second")
    policy = SMART.model_copy(update={"residual": (again,)})
    Bench(groups, scratch, policy, first=ScriptedDetector({}, SIZE), second=second).mask()
    asked = sorted(second.asked)
    assert all(frame % GROUP == 0 for frame in asked)
    apart = [Fraction(after - before, 25) for before, after in pairwise(asked)]
    assert max(apart) <= gap + 1
    assert len(asked) <= 8 / max(gap, 1) + 2


def test_what_is_painted_later_is_seen_as_it_was(groups: Clip, scratch: Path) -> None:
    """V-02: a look that is late sees the picture, not its mask."""
    bench = Bench(groups, scratch, SMART)
    with groups.path.open("rb") as file:
        picture = next(bench.job(groups.whole, file.fileno()).pictures(groups.whole))
        view = View.of(groups.media, 96)
        before, still = view.take(picture), Still.of(picture)
        for plane in picture.writable_planes():
            plane.memory[:] = bytes(len(plane.memory))
        assert np.array_equal(view.take(still), before)
        assert not np.array_equal(view.take(picture), before)
