"""Every odd, broken and hostile file through one real run: the right state, the right reason, and a faithful output."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest

from opendrape.bootstrap import bootstrap
from opendrape.settings import Settings
from opendrape_masker.synthetic import make_hostile
from tests.e2e.looks import (
    Planes,
    container_start,
    facts,
    ffmpeg,
    nal_unit_kinds,
    planes,
    psnr,
    shown_seconds,
    video_stream,
)
from tests.e2e.measured import run_measured
from tests.e2e.runs import Bench, write_policy
from tests.synthetic.canaries import grep_canaries

pytestmark = [pytest.mark.models, pytest.mark.media, pytest.mark.timeout(400)]

ROOT: Final = Path(__file__).resolve().parents[2]
DELIVERED: Final = ("delivered", None)
SCRUBBED: Final = {"major_brand", "minor_version", "compatible_brands", "language", "handler_name"}

EXPECTED: Final[dict[str, tuple[str, str | None]]] = {
    "odd/anim.gif": ("unsupported", "unsupported_container"),
    "odd/audio_only.m4a": ("failed", "audio_only"),
    "odd/corrupt_400_bytes.mp4": ("failed", "corrupt"),
    "odd/cover_art_attached_pic.mp4": DELIVERED,
    "odd/flv1.flv": DELIVERED,
    "odd/fps_120.mp4": DELIVERED,
    "odd/fragmented.mp4": DELIVERED,
    "odd/h264_444.mp4": DELIVERED,
    "odd/h264_baseline_nob.mp4": DELIVERED,
    "odd/h264_fullrange_j420.mp4": DELIVERED,
    "odd/h264_high10.mp4": DELIVERED,
    "odd/h264_interlaced_tff.mp4": DELIVERED,
    "odd/h264_intra_only.mp4": DELIVERED,
    "odd/h264_sar_4_3.mp4": DELIVERED,
    "odd/h264_size_638x358_crop.mp4": DELIVERED,
    "odd/hevc_main_hvc1.mp4": DELIVERED,
    "odd/hflip_displaymatrix.mp4": DELIVERED,
    "odd/huge_7680x4320_3f.mp4": DELIVERED,
    "odd/mjpeg.avi": DELIVERED,
    "odd/mpegts.ts": DELIVERED,
    "odd/multi_audio_3.mkv": DELIVERED,
    "odd/negative_start_editlist.mp4": DELIVERED,
    "odd/no_audio.mp4": DELIVERED,
    "odd/one_frame.mp4": DELIVERED,
    "odd/prores.mov": DELIVERED,
    "odd/rotated90_displaymatrix.mp4": DELIVERED,
    "odd/subtitles_movtext_chapters_meta.mp4": DELIVERED,
    "odd/tc_h265_10bits.mp4": DELIVERED,
    "odd/tc_nasa_13013.mp4": DELIVERED,
    "odd/text_named.mp4": ("failed", "not_a_video"),
    "odd/tiny_16x16.mp4": DELIVERED,
    "odd/truncated_60pct_moov_missing.mp4": ("failed", "truncated"),
    "odd/vfr.mp4": DELIVERED,
    "odd/vp9.webm": DELIVERED,
    "odd/zero_length.mp4": ("failed", "empty_file"),
    "hostile/boxes.mp4": DELIVERED,
    "hostile/empty.mp4": ("failed", "empty_file"),
    "hostile/giant_h264.mov": ("failed", "too_many_pixels"),
    "hostile/giant_png.mov": ("failed", "unsupported_codec"),
    "hostile/neighbour.mp4": DELIVERED,
    "hostile/photograph.mp4": ("failed", "fidelity_pixels"),  # of noise: no JPEG comes near it
    "hostile/playlist.mp4": ("failed", "playlist_refused"),
    "hostile/random.mp4": ("failed", "not_a_video"),
    "hostile/small_label_giant_png.mov": ("failed", "unsupported_codec"),
    "hostile/stream.mp4": ("failed", "playlist_refused"),
    "hostile/trailing.mp4": DELIVERED,
    "hostile/truncated.mp4": ("failed", "truncated"),
    "hostile/words.mp4": ("failed", "not_a_video"),
}
KEPT: Final = sorted(name for name, end in EXPECTED.items() if end == DELIVERED)
REFUSED: Final = sorted(set(EXPECTED) - set(KEPT))
COMPARED_WITH_A_TRANSCODE: Final = ["odd/tc_h265_10bits.mp4", "odd/vfr.mp4", "odd/hevc_main_hvc1.mp4"]
"""Ten bits, changing frame rate, another codec; each short enough for one chunk, so that key frames are alike."""


@dataclass(frozen=True)
class Bunch:
    """One finished run over all of them; ``ends`` and ``outputs`` by the name below the source folder."""

    folder: Path
    exit_code: int
    ends: dict[str, tuple[str, str | None]]
    outputs: dict[str, Path]
    canaries: tuple[str, ...]

    def source(self, name: str) -> Path:
        return self.folder / "in" / name


@pytest.fixture(scope="module")
def bunch(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Bunch:
    """Everything through the command line once."""
    odd = Path(os.environ.get("OPENDRAPE_TEST_MEDIA", ROOT.parent / "shared" / "media" / "dev")) / "odd"
    if not odd.is_dir():
        pytest.skip("needs the clips under OPENDRAPE_TEST_MEDIA")
    folder = tmp_path_factory.mktemp("bunch")
    shutil.copytree(odd, folder / "in" / "odd")
    hostile = make_hostile(folder / "in" / "hostile")
    bench = Bench(folder / "state", folder / "out", models_dir, write_policy(folder / "policies"))
    code, result = bench.run(folder / "in", seconds=360)
    ends, outputs = _ends(bench, folder / "in", result)
    return Bunch(folder, code, ends, outputs, tuple(word for file in hostile for word in file.canaries))


def _ends(
    bench: Bench, root: Path, result: dict[str, Any]
) -> tuple[dict[str, tuple[str, str | None]], dict[str, Path]]:
    """What became of each file: by the run's own JSON, and by the key map, which alone knows who is who."""
    ends: dict[str, tuple[str, str | None]] = {}
    outputs: dict[str, Path] = {}
    container = bootstrap(Settings(state_dir=bench.state, destination=bench.output))
    assets = {asset["asset"]: asset for asset in result["assets"]}
    others = {other["number"]: other for other in result["files"]["others"]}
    with container.resources:
        for number, path in enumerate(_in_listing_order(root)):
            known = container.key_map.known_source(str(path))
            end = others[number] if known is None else assets[known[0]]
            name = path.relative_to(root).as_posix()
            ends[name] = (end.get("status") or end["state"], end["reason"])
            if known is not None and end["state"] == "delivered":
                (outputs[name],) = (bench.output / known[0]).glob("*.mp4")
    return ends, outputs


def _in_listing_order(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir(), key=lambda entry: os.fsencode(entry.name)):
        if path.is_dir():
            yield from _in_listing_order(path)
        else:
            yield path


def test_every_file_ends_in_the_right_state_for_the_right_reason(bunch: Bunch) -> None:
    """I-02, I-05: nothing skipped in silence, nothing refused that can be kept; the run goes on and its code tells."""
    assert bunch.ends == EXPECTED
    assert bunch.exit_code == 1


def test_there_is_one_output_for_each_video_and_none_for_a_playlist(bunch: Bunch) -> None:
    """I-02: a playlist does not get its neighbour's pictures delivered a second time."""
    assert len(list((bunch.folder / "out").rglob("*.mp4"))) == len(KEPT)
    assert sorted(bunch.outputs) == KEPT


@pytest.mark.parametrize("name", KEPT)
def test_geometry_depth_and_colours_are_kept(name: str, bunch: Bunch) -> None:
    """V-10: size, layout and bit depth, range, colour tags, sample aspect, rotation, fields."""
    assert facts(bunch.outputs[name]) == facts(bunch.source(name))


@pytest.mark.parametrize("name", KEPT)
def test_every_frame_is_shown_at_its_time(name: str, bunch: Bunch) -> None:
    """I-06, V-10: as many frames, each exactly as long after the source's time zero as before, also across chunks."""
    source, output = bunch.source(name), bunch.outputs[name]
    before, after = shown_seconds(source), shown_seconds(output)
    # a transport stream's clock begins anywhere: its zero is where its first stream begins
    zero = container_start(source) if name.endswith(".ts") else min(0, before[0])
    assert after == [second - zero for second in before]
    assert all(earlier < later for earlier, later in pairwise(after))


@pytest.mark.parametrize("name", KEPT)
def test_nothing_but_pictures_is_left(name: str, bunch: Bunch) -> None:
    """V-09: one video stream, no tags, no chapters, no SEI, no encoder's name."""
    with av.open(str(bunch.outputs[name])) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert set(container.metadata) | set(container.streams[0].metadata) <= SCRUBBED
        assert not container.chapters()
        assert video_stream(container).metadata.get("handler_name", "") in ("", "VideoHandler")
    assert nal_unit_kinds(bunch.outputs[name]) <= {1, 5, 7, 8}, "slices and parameter sets, nothing else"
    content = bunch.outputs[name].read_bytes()
    assert not any(word in content for word in (b"x264", b"Lavf", b"Lavc", b"FFmpeg"))


def test_no_hidden_name_comes_through(bunch: Bunch) -> None:
    """V-09, P-04: names in boxes and behind the last one are in no output and nowhere in the state folder."""
    assert grep_canaries([bunch.folder / "in"], bunch.canaries), "the canaries were never planted"
    assert grep_canaries([bunch.folder / "out", bunch.folder / "state"], bunch.canaries) == []


@pytest.mark.parametrize("name", COMPARED_WITH_A_TRANSCODE)
def test_pixels_outside_masks_are_as_good_as_a_plain_transcode(name: str, bunch: Bunch, tmp_path: Path) -> None:
    """V-10: in every frame at most 0.5 dB below libx264 with the same preset and rate factor."""
    plain = tmp_path / "plain.mkv"
    every = ("-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "demux")
    ffmpeg(
        "-noautorotate",
        "-copyts",
        "-i",
        bunch.source(name),
        *every,
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "20"),
        plain,
    )
    depth = 10 if "10" in facts(bunch.source(name)).layout else 8
    losses, shares = [], []
    for was, ours, theirs in zip(planes(bunch.source(name)), planes(bunch.outputs[name]), planes(plain), strict=True):
        outside = _far_from_black(ours, depth)
        shares.append(float(outside[0].mean()))
        peak = (1 << depth) - 1
        losses.append(psnr(was, theirs, outside, peak=peak) - psnr(was, ours, outside, peak=peak))
    assert np.mean(shares) > 0.5, "too little is left to compare"
    assert max(losses) <= 0.5


def _far_from_black(picture: Planes, depth: int, reach: int = 16) -> Planes:
    """Where a picture is not black, nor near anything black: masks, and dark things with them, are left out."""
    dark = picture[0] <= (24 << (depth - 8))
    grown = np.zeros_like(dark)
    for row, column in zip(*np.nonzero(dark[::4, ::4]), strict=True):
        grown[max(0, 4 * row - reach) : 4 * row + reach, max(0, 4 * column - reach) : 4 * column + reach] = True
    height, width = dark.shape
    return tuple(
        (~grown[:: height // plane.shape[0], :: width // plane.shape[1]]).astype(np.uint16) for plane in picture
    )


def test_giants_are_refused_before_they_cost_memory(bunch: Bunch, tmp_path: Path) -> None:
    """I-05: 236 million pixels and 450 MB of picture end as refusals while no process takes 200 MiB."""
    (tmp_path / "in").mkdir()
    for path in bunch.source("hostile").glob("*giant*"):
        shutil.copy(path, tmp_path / "in" / path.name)
    settings = {"OPENDRAPE_STATE_DIR": str(tmp_path / "state"), "OPENDRAPE_INGEST__STABLE_SECONDS": "0"}
    arguments = ["run", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--policy", "minimal", "--json"]
    command = [sys.executable, "-m", "opendrape.cli", *arguments, "--quiet"]
    done = run_measured(command, environment=os.environ | settings, folder=tmp_path)
    assert [asset["state"] for asset in json.loads(done.output)["assets"]] == ["failed"] * 3
    assert done.peak_bytes < 200 * 2**20
    assert not list((tmp_path / "out").rglob("*.mp4"))
