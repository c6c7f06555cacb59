"""Which files try to fool, overload or leak through the pipeline, each with what it tries."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from opendrape.media.sample_writer import write_packets
from opendrape_masker.synthetic import boxes
from opendrape_masker.synthetic.giant_h264 import giant_key_frame
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.request import SampleRequest
from opendrape_masker.synthetic.sample import make_sample

_GIANT_PNG_SIDE = 12_288
_GIANT_H264_SIDE = 15_360
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass(frozen=True, slots=True)
class HostileFile:
    """One file of the folder. ``refused``: True, the only right answer is a refusal; False, it must come out clean;
    None, either is right as long as nothing leaks.

    ``canaries`` are identity strings hidden in it beside those of the sample it is made from.
    """

    name: str
    tries: str
    refused: bool | None
    canaries: tuple[str, ...] = ()


def make_hostile(folder: Path) -> tuple[HostileFile, ...]:
    """Write every hostile file into ``folder`` and say what is what (a few seconds)."""
    folder.mkdir(parents=True, exist_ok=True)
    small = SampleRequest(seconds=Fraction(1), width=320, height=240, rate=Fraction(15), key_interval=15)
    make_sample(folder, small, file_name="neighbour.mp4")
    plain = (folder / "neighbour.mp4").read_bytes()
    neighbour = HostileFile("neighbour.mp4", "nothing: the file that playlists want to read", refused=False)
    return (neighbour, *_playlists(folder), *_giants(folder), *_broken(folder, plain), *_stowaways(folder, small))


def _playlists(folder: Path) -> Iterator[HostileFile]:
    texts = {
        "playlist.mp4": "ffconcat version 1.0\nfile neighbour.mp4\n",
        "stream.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nneighbour.mp4\n#EXT-X-ENDLIST\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        yield HostileFile(name, "a playlist that reads its neighbour", refused=True)


def _giants(folder: Path) -> Iterator[HostileFile]:
    side = _GIANT_PNG_SIDE
    write_packets(folder / "giant_png.mov", [_black_png(side)], codec="png", width=side, height=side)
    yield HostileFile("giant_png.mov", "a tiny file whose picture needs 450 MB", refused=True)
    write_packets(folder / "small_label_giant_png.mov", [_black_png(side)], codec="png", width=320, height=240)
    yield HostileFile("small_label_giant_png.mov", "a giant picture under a small label", refused=True)
    side = _GIANT_H264_SIDE
    write_packets(folder / "giant_h264.mov", [giant_key_frame(side)], codec="h264", width=side, height=side)
    yield HostileFile("giant_h264.mov", "a parameter set that declares 236 million pixels", refused=True)


def _broken(folder: Path, plain: bytes) -> Iterator[HostileFile]:
    noise = np.random.default_rng(7).integers(0, 256, 50_000, dtype=np.uint8)
    contents = {
        "truncated.mp4": (plain[: len(plain) * 6 // 10], "a recording that was cut off before its index"),
        "empty.mp4": (b"", "an empty file"),
        "random.mp4": (noise.tobytes(), "random bytes"),
        "photograph.mp4": (_jpeg(), "a photograph under a video's name"),
        "words.mp4": (b"Patient list\n" * 200, "text under a video's name"),
    }
    for name, (content, tries) in contents.items():
        (folder / name).write_bytes(content)
        yield HostileFile(name, tries, refused=True)


def _stowaways(folder: Path, small: SampleRequest) -> Iterator[HostileFile]:
    stranger = Identity.of_seed(2)
    hidden = (stranger.family, stranger.number)
    words = f"{stranger.name} {stranger.number}".encode()
    make_sample(folder, replace(small, text=False), file_name="trailing.mp4")
    boxes.append(folder / "trailing.mp4", b"\n" + words + b"\n")
    yield HostileFile("trailing.mp4", "a name behind the last box", refused=None, canaries=hidden)
    make_sample(folder, replace(small, text=False), file_name="boxes.mp4")
    boxes.append(folder / "boxes.mp4", _identity_boxes(words))
    yield HostileFile("boxes.mp4", "names in user data, XMP and free boxes", refused=False, canaries=hidden)


def _identity_boxes(words: bytes) -> bytes:
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><dc:creator>" + words + b"</dc:creator></x:xmpmeta>"
    name = struct.pack(">HH", len(words), 0x55C4) + words
    user = boxes.box(b"udta", boxes.box(b"\xa9nam", name) + boxes.box(b"XMP_", packet))
    return user + boxes.uuid_box(_XMP_UUID, packet) + boxes.box(b"free", words)


def _black_png(side: int) -> bytes:
    """One-bit grey, a row is a filter byte and ``side / 8`` bytes: 19 MB of zeros in 18 kB."""
    rows = zlib.compress(bytes((1 + side // 8) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, content) for kind, content in chunks)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _jpeg() -> bytes:
    picture = np.random.default_rng(3).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    done, content = cv2.imencode(".jpg", picture)
    assert done
    return bytes(content)
