"""The benchmarks' own arithmetic: what counts as covered, what is not comparable, what a missing peer looks like."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from benchmarks.contestants import Contestant, run
from benchmarks.coverage import NotComparable, Target, judged, lumas, painted, targets
from benchmarks.recall import Score, kept_rows
from benchmarks.recall import table as recall_table
from benchmarks.speed import Result
from benchmarks.speed import table as speed_table

from opendrape_masker.synthetic import SampleRequest, make_sample

SMALL = SampleRequest(seconds=Fraction(1), width=320, height=180, rate=Fraction(10), sound=False)


def _grey(level: int) -> np.ndarray:
    return np.full((100, 100), level, np.uint8)


def test_only_pixels_that_turned_black_count() -> None:
    """Hair that was dark before is no mask, and a darkened pixel is none either."""
    before, after = _grey(120), _grey(120)
    after[20:40, 20:40] = 16
    assert painted(before, after, (20, 20, 40, 40)) == 1.0
    assert painted(before, after, (20, 20, 60, 40)) == pytest.approx(0.5)
    before[20:40, 20:30] = 16
    assert painted(before, after, (20, 20, 60, 40)) == pytest.approx(1 / 3)
    assert painted(_grey(120), _grey(60), (0, 0, 50, 50)) == 0.0


def test_an_output_of_another_size_is_judged_on_scaled_boxes() -> None:
    """A peer turns 1080 lines into 1088."""
    after = np.full((200, 100), 120, np.uint8)
    after[40:80, 20:40] = 16
    assert painted(_grey(120), after, (20, 20, 40, 40)) == 1.0


def test_optional_boxes_and_ignored_frames_are_left_out(tmp_path: Path) -> None:
    """The truth says what nobody is judged by."""
    face = {"box": [1, 2, 3, 4], "label": "face"}
    frames = {
        "0": [face, face | {"label": "optional"}, face | {"visible": 0.2}],
        "1": [face],
        "2": [face | {"phi": False}],
    }
    (tmp_path / "gt.json").write_text(json.dumps({"frames": frames, "ignore_frames": [1]}))
    assert targets(tmp_path / "gt.json") == {0: [Target((1, 2, 3, 4), "face")], 2: []}


def test_lost_frames_are_not_comparable_and_an_open_source_is_uncovered(tmp_path: Path) -> None:
    """Frames are compared one by one or not at all."""
    make_sample(tmp_path, SMALL, file_name="a.mp4")
    make_sample(tmp_path, replace(SMALL, seconds=Fraction(1, 2)), file_name="short.mp4")
    truth = {0: [Target((50.0, 50.0, 90.0, 90.0), "face")]}
    seen = judged(tmp_path / "a.mp4", tmp_path / "a.mp4", truth)
    assert [verdict.covered for verdict in seen.found] == [False]
    assert seen.hidden == 0
    with pytest.raises(NotComparable, match="5 frames"):
        judged(tmp_path / "a.mp4", tmp_path / "short.mp4", truth)


def _blacken(source: Path, out: Path) -> None:
    """As many black pictures as the source has."""
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = SMALL.width, SMALL.height, "yuv420p"
        for _ in lumas(source):
            black = av.VideoFrame.from_ndarray(np.zeros((SMALL.height, SMALL.width, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(black))
        container.mux(stream.encode())


def test_a_black_video_covers_all_and_says_so(tmp_path: Path) -> None:
    """Recall alone is no merit: the share of the picture that became black stands beside it."""
    make_sample(tmp_path, SMALL, file_name="a.mp4")
    _blacken(tmp_path / "a.mp4", tmp_path / "black.mp4")
    seen = judged(tmp_path / "a.mp4", tmp_path / "black.mp4", {0: [Target((50.0, 50.0, 90.0, 90.0), "face")]})
    assert [verdict.covered for verdict in seen.found] == [True]
    assert seen.hidden > 0.99
    sizes = dict.fromkeys(("0-16", "16-32", "32-64", "64-128", "128-100000"), (1, 1))
    row = Score("one", "a", 1, 1, 0, sizes, hidden=seen.hidden)
    assert "100% of the picture black" in recall_table([row])


def test_a_missing_or_failing_program_is_told_and_never_counted(tmp_path: Path) -> None:
    """A peer that cannot be installed leaves a line, not a hole."""
    missing = Contestant("peer", lambda clip, out: ["never"], missing="peer could not be installed here")
    assert run(missing, tmp_path, tmp_path / "out").failure == "peer could not be installed here"
    failing = Contestant("bad", lambda clip, out: [sys.executable, "-c", "raise SystemExit(3)"])
    assert run(failing, tmp_path, tmp_path / "out").failure == "exit code 3"
    shown = speed_table([Result("a", 3, 60.0, 50.0, 70.0, ""), Result("peer", 0, None, None, None, "not here")])
    assert "| a | 3 | 60.0 | 50.0-70.0 | - | - | - |" in shown
    assert "not measured: not here" in shown


def test_rows_of_peers_are_kept_only_for_the_same_versions_of_them(tmp_path: Path) -> None:
    """A peer that did not change need not run again; one that did must."""
    row = asdict(Score("one", "peer", 1, 2, 1, {"0-16": (1, 2)}))
    page = tmp_path / "recall.json"
    assert kept_rows(page, ("peer==1",)) == {}
    page.write_text(json.dumps({"peer": ["peer==1"], "faces": [row]}))
    assert kept_rows(page, ("peer==1",)) == {("one", "peer"): Score("one", "peer", 1, 2, 1, {"0-16": (1, 2)})}
    assert kept_rows(page, ("peer==2",)) == {}


def test_size_rows_hold_only_clips_that_everybody_finished() -> None:
    """Equal footing: a clip that one program cannot finish counts for none."""
    sizes = {"0-16": (0, 0), "16-32": (1, 2), "32-64": (0, 0), "64-128": (0, 0), "128-100000": (0, 0)}
    scores = [
        Score("one", "a", 1, 2, 1, sizes),
        Score("one", "b", 1, 2, 1, sizes | {"16-32": (2, 2)}),
        Score("two", "a", 9, 9, 0, sizes | {"16-32": (9, 9)}),
        Score("two", "b", 0, 0, 0, {}, "not comparable: 3 frames added or lost"),
    ]
    shown = recall_table(scores)
    assert "| *all, 16-32 px* | 0.500 (1/2) | 1.000 (2/2) |" in shown
    assert "not comparable: 3 frames added or lost" in shown
