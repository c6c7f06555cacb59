"""Do files that mean harm, or are broken, end as refusals, and cheaply?"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import av
import pytest

from opendrape.errors import MediaRefused
from opendrape.media.probe import probe
from tests.integration.media.footage import LIMITS, clip, ffmpeg, pattern, pictures, probed
from tests.unit.media.bytes_file import box

_OUTCOMES = {
    *("read", "corrupt", "truncated", "frame_missing", "no_video_stream", "no_pictures", "not_a_video", "encrypted"),
    *("unsupported_codec", "unsupported_pixel_format", "unsupported_container", "odd_size_unsupported", "audio_only"),
    *(
        "too_many_pixels",
        "too_many_frames",
        "too_many_streams",
        "too_long",
        "timestamps_unusable",
        "needs_too_much_memory",
    ),
    *(
        "changing_resolution",
        "needs_too_much_memory",
        "field_order_unknown",
        "hdr_metadata_unsupported",
        "stereo_or_spherical_unsupported",
    ),
}


def _reason(path: Path) -> str:
    """Why a file is refused when it is probed or, at the latest, read."""
    with pytest.raises(MediaRefused) as caught:
        _read_all(path)
    return caught.value.reason


def _read_all(path: Path) -> int:
    found = probed(path)
    return sum(1 for _ in pictures(path, found))


@pytest.mark.parametrize(
    "words", ["ffconcat version 1.0\nfile 'neighbour.mp4'\n", "#EXTM3U\n#EXTINF:1,\nneighbour.mp4\n#EXT-X-ENDLIST\n"]
)
def test_a_playlist_named_mp4_cannot_read_its_neighbour(tmp_path: Path, words: str) -> None:
    """I-02, I-05: FFmpeg would follow it; we do not even ask FFmpeg."""
    pattern(tmp_path / "neighbour.mp4", "-c:v", "libx264")
    path = tmp_path / "playlist.mp4"
    path.write_text(words)
    assert _reason(path) == "playlist_refused"


def test_a_playlist_behind_a_movies_first_bytes_opens_nothing(tmp_path: Path) -> None:
    """I-05: even past the sniffing, no protocol and no other demuxer is at hand."""
    pattern(tmp_path / "neighbour.mp4", "-c:v", "libx264")
    path = tmp_path / "x.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + box(b"moov") + b"\nffconcat version 1.0\nfile neighbour.mp4\n")
    assert _reason(path) in ("corrupt", "no_video_stream")


def _png(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = side.to_bytes(4) + side.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _png_in_mov(path: Path, side: int, labelled: int) -> None:
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_mux_stream("png", rate=25, width=labelled, height=labelled)
        packet = av.Packet(_png(side))
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
        container.mux(packet)


_PROBE_AND_WEIGH = """
import os, resource, sys
from opendrape.errors import MediaRefused
from opendrape.media.limits import MediaLimits
from opendrape.media.probe import probe
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    probe(os.open(sys.argv[1], os.O_RDONLY), MediaLimits())
except MediaRefused as refused:
    print(refused.reason, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("labelled", [12_288, 320])
def test_a_tiny_file_with_a_giant_picture_costs_little(tmp_path: Path, labelled: int) -> None:
    """I-05: 12288 x 12288 pixels in 20 kB, under a true and under a false label: refused before anything is decoded."""
    path = tmp_path / "bomb.mov"
    _png_in_mov(path, 12_288, labelled)
    assert path.stat().st_size < 50_000
    run = subprocess.run(
        [sys.executable, "-c", _PROBE_AND_WEIGH, str(path)], check=True, capture_output=True, text=True, timeout=30
    )
    reason, kilobytes = run.stdout.split()
    assert reason == "unsupported_codec"
    assert int(kilobytes) < 40_000


@pytest.mark.media
def test_a_file_with_damaged_bytes_is_refused_while_it_is_read() -> None:
    """I-05: the index is whole, the pictures are not; a decoder would paper over it."""
    assert _reason(clip("odd/corrupt_400_bytes.mp4")) == "corrupt"


def test_encrypted_pictures_are_refused_as_such(tmp_path: Path) -> None:
    """I-05: encrypted is a reason of its own."""
    key = ("-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8")
    path = pattern(tmp_path / "x.mp4", "-c:v", "libx264", "-encryption_scheme", "cenc-aes-ctr", *key)
    assert _reason(path) == "encrypted"


def test_light_that_cannot_be_described_in_the_output_is_refused(tmp_path: Path) -> None:
    """I-05, V-10: mastering metadata would be lost."""
    hdr = "log-level=none:hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    path = pattern(tmp_path / "x.mp4", "-c:v", "libx265", "-x265-params", hdr, "-pix_fmt", "yuv420p10le")
    assert _reason(path) == "hdr_metadata_unsupported"


@pytest.mark.parametrize(
    ("name", "encoding", "reason"),
    [
        ("lossless.mkv", ("-c:v", "ffv1"), "unsupported_codec"),
        ("twelve.mkv", ("-c:v", "libx265", "-pix_fmt", "yuv420p12le", "-x265-params", "log-level=none"), None),
        ("alpha.mov", ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"), None),
    ],
)
def test_codecs_and_layouts_off_the_list_are_refused(
    tmp_path: Path, name: str, encoding: tuple[str, ...], reason: str | None
) -> None:
    """I-02, I-05: allow-lists, not block-lists."""
    assert _reason(pattern(tmp_path / name, *encoding)) == (reason or "unsupported_pixel_format")


def test_a_size_that_cannot_be_kept_is_refused_before_work(tmp_path: Path) -> None:
    """V-10: 4:2:0 in H.264 has even sizes; 321 would become 322."""
    path = tmp_path / "x.webm"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=321x241:r=25:d=1", "-c:v", "libvpx", "-pix_fmt", "yuv420p", path)
    assert _reason(path) == "odd_size_unsupported"


def test_a_picture_size_that_changes_on_the_way_is_refused(tmp_path: Path) -> None:
    """I-05: variable resolution."""
    parts = [pattern(tmp_path / f"{size}.ts", "-c:v", "libx264", size=size) for size in ("192x128", "128x96")]
    path = tmp_path / "both.ts"
    ffmpeg("-i", f"concat:{parts[0]}|{parts[1]}", "-c", "copy", path)
    assert _reason(path) in ("changing_resolution", "timestamps_unusable")


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.avi"])
def test_a_file_that_ends_too_early_is_refused(tmp_path: Path, name: str) -> None:
    """I-05: truncated, also when the index is at the front and all that is there plays."""
    path = pattern(
        tmp_path / name,
        "-c:v",
        "libx264",
        "-movflags" if name == "x.mp4" else "-g",
        "+faststart" if name == "x.mp4" else "25",
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    assert _reason(path) == "truncated"


def test_something_that_is_no_regular_file_is_refused() -> None:
    """I-05: a pipe cannot be read twice."""
    reading, writing = os.pipe()
    try:
        with pytest.raises(MediaRefused) as caught:
            probe(reading, LIMITS)
    finally:
        os.close(reading)
        os.close(writing)
    assert caught.value.reason == "not_a_video"


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.avi", "x.ts", "x.flv", "x.wmv"])
def test_mutants_are_read_or_refused_and_never_anything_else(tmp_path: Path, name: str) -> None:
    """I-05: flipped bytes anywhere; what comes out is every frame of the timeline, or a refusal."""
    codec = "wmv2" if name == "x.wmv" else "libx264"
    content = pattern(tmp_path / name, "-c:v", codec, size="64x48").read_bytes()
    chance = random.Random(name)
    outcomes = {_outcome(tmp_path / name)}
    assert outcomes == {"read"}
    for number in range(25):
        mutant = bytearray(content)
        for _ in range(chance.choice((1, 3, 20))):
            mutant[chance.randrange(len(mutant))] = chance.randrange(256)
        path = tmp_path / f"{number}-{name}"
        path.write_bytes(mutant)
        outcomes.add(_outcome(path))
    assert outcomes <= _OUTCOMES
    assert len(outcomes) > 1


def _outcome(path: Path) -> str:
    try:
        found = probed(path)
        assert sum(1 for _ in pictures(path, found)) == len(found.timeline)
    except MediaRefused as refused:
        return refused.reason
    return "read"
