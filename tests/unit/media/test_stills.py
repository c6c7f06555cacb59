"""I-02, I-05, V-14: what still pictures' files say is read without a decoder, and what must not be let in is named."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from opendrape.errors import MediaRefused
from opendrape.media.kinds import Kind
from opendrape.media.limits import MediaLimits
from opendrape.media.stills import jpeg, png
from opendrape.media.stills.colour_profile import clean_profile
from opendrape.media.stills.probing import probe_still
from opendrape.media.stills.reading import facts_of, read_still, survivors
from tests.synthetic.picture_files import (
    coded,
    exif,
    jpeg_with,
    png_chunk,
    png_with,
    profile,
    scene,
    tiff_with,
    webp_chunk,
    webp_with,
)

WORDS = b"Zyxwvutsen Kvalheim 19570418"
LIMITS = MediaLimits()


def reason(data: bytes, limits: MediaLimits = LIMITS) -> str:
    with pytest.raises(MediaRefused) as refused:
        facts_of(data, limits)
    return refused.value.reason


def planted() -> dict[str, bytes]:
    picture = scene()
    return {
        "jpeg": jpeg_with(coded(".jpg", picture), words=WORDS, orientation=6),
        "png": png_with(coded(".png", picture), words=WORDS, orientation=6),
        "webp": webp_with(coded(".webp", picture), size=(128, 96), words=WORDS, orientation=6),
        "tiff": tiff_with(picture, words=WORDS, orientation=6),
    }


@pytest.mark.parametrize("family", ["jpeg", "png", "webp", "tiff"])
def test_the_facts_are_read_and_what_a_decoder_does_not_need_stays_outside(family: str) -> None:
    """V-14: size, family, which way up; metadata is counted, never quoted, and never reaches a decoder."""
    data = planted()[family]
    facts = facts_of(data, LIMITS)
    assert (facts.kind, facts.width, facts.height, facts.orientation) == (Kind(family), 128, 96, 6)
    assert (facts.upright_size, facts.channels, facts.bit_depth) == ((96, 128), 3, 8)
    assert facts.removed, "something was planted"
    if family != "tiff":  # read in place
        assert WORDS not in facts.essential
    assert survivors(data, facts), "and would be found in a written file"


@pytest.mark.parametrize("family", ["jpeg", "png", "webp", "tiff"])
def test_a_file_that_ends_early_is_refused(family: str) -> None:
    """I-05: cut anywhere, it is said so, and nothing else goes wrong."""
    data = {
        "jpeg": coded(".jpg", scene()),
        "png": coded(".png", scene()),
        "webp": coded(".webp", scene()),
        "tiff": tiff_with(scene(), words=b"xx")[:-2],
    }[family]
    for cut in range(8, len(data) - 1, max(1, len(data) // 97)):
        assert reason(data[:cut]) in {"truncated", "corrupt", "not_a_video", "image_coding"}, cut


def test_a_giant_picture_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    """I-05: nothing is decoded to find that out."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = png.SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b"")
    assert reason(data) == "too_many_pixels"
    assert reason(coded(".jpg", scene()), MediaLimits(max_pixels=128 * 96 - 1)) == "too_many_pixels"
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.write(png.SIGNATURE)
        file.truncate(2**33)
    with large.open("rb") as file, pytest.raises(MediaRefused) as refused:
        read_still(file.fileno(), LIMITS)
    assert refused.value.reason == "too_many_pixels"


def with_frame(change: Callable[[bytearray, int], None]) -> bytes:
    """A JPEG whose frame header was changed."""
    data = bytearray(coded(".jpg", scene()))
    change(data, data.index(b"\xff\xc0"))
    return bytes(data)


def _arithmetic(data: bytearray, at: int) -> None:
    data[at + 1] = 0xC9


def _twelve_bits(data: bytearray, at: int) -> None:
    data[at + 4] = 12


def _cmyk() -> bytes:
    data = bytearray(coded(".jpg", scene()))
    at = data.index(b"\xff\xc0")
    data[at + 2 : at + 4], data[at + 9] = struct.pack(">H", 20), 4
    return bytes(data[: at + 19]) + b"\x04\x11\x00" + bytes(data[at + 19 :])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (lambda: with_frame(_arithmetic), "image_coding"),
        (lambda: with_frame(_twelve_bits), "image_coding"),
        (_cmyk, "image_colour_model"),
        (lambda: tiff_with(scene(), words=b"", pages=2), "image_animated"),
        (lambda: webp_with(coded(".webp", scene()), size=(128, 96), words=b"", kind=b"ANIM"), "image_animated"),
        (lambda: tiff_with(scene(dtype=np.uint32), words=b""), "image_sample_format"),
        (lambda: b"II+\0" + bytes(100), "corrupt"),
        (lambda: coded(".png", scene())[:40] + b"\0" + coded(".png", scene())[41:], "corrupt"),
        (lambda: webp_chunk(b"RIFF", b"WEBP"), "corrupt"),
    ],
)
def test_odd_kinds_are_refused_with_their_reason(data: Callable[[], bytes], why: str) -> None:
    """V-13: nothing is silently changed into something that can be masked."""
    assert reason(data()) == why


def test_an_animated_png_is_refused() -> None:
    """V-13."""
    data = coded(".png", scene())
    assert reason(data[:33] + png_chunk(b"acTL", struct.pack(">II", 2, 0)) + data[33:]) == "image_animated"


def test_orientations_that_make_no_sense_count_as_none() -> None:
    """V-13: as viewers take them."""
    plain = coded(".png", scene())
    senseless = (b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", exif(orientation=9), exif(orientation=0), b"II*\0\0")
    for block in senseless:
        assert facts_of(plain[:33] + png_chunk(b"eXIf", block) + plain[33:], LIMITS).orientation == 1


@pytest.mark.parametrize("space", [b"RGB ", b"GRAY"])
def test_a_colour_profile_keeps_its_colours_and_loses_its_words(space: bytes) -> None:
    """V-14: the matrix and the curves stay as they are, byte for byte; cleaning twice changes nothing."""
    channels = 3 if space == b"RGB " else 1
    given = profile(WORDS, space=space)
    clean = clean_profile(given, channels=channels)
    assert WORDS[:8] in given
    assert WORDS[:8] not in clean
    assert struct.pack(">IH", 1, 563) in clean
    assert clean_profile(clean, channels=channels) == clean


@pytest.mark.parametrize("given", [profile(table=True), profile(space=b"GRAY"), b"words", profile()[:150]])
def test_a_profile_that_is_more_than_a_matrix_is_refused(given: bytes) -> None:
    """V-13: leaving it out would change the colours."""
    data = jpeg.with_profile(coded(".jpg", scene()), given)
    assert reason(data) == "image_colour_profile"


def test_a_picture_is_a_video_of_one_frame_that_lasts_no_time(tmp_path: Path) -> None:
    """I-05: what the ledger keeps of it."""
    path = tmp_path / "picture.bin"
    path.write_bytes(planted()["jpeg"])
    descriptor = os.open(path, os.O_RDONLY)
    try:
        media, timeline = probe_still(descriptor, LIMITS)
    finally:
        os.close(descriptor)
    assert (media.container, media.width, media.height, media.frame_count) == ("jpeg", 96, 128, 1)
    assert (media.is_still, media.output_ending, media.duration_seconds, len(timeline)) == (True, ".jpg", 0.0, 1)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_read_or_refused(seed: int) -> None:
    """I-05, V-16: never another error than a refusal with a reason."""
    chance = np.random.default_rng(seed)
    for family, data in planted().items():
        broken: Any = bytearray(data)
        for place in chance.integers(0, len(data), 12):
            broken[place] = chance.integers(0, 256)
        try:
            facts = facts_of(bytes(broken), LIMITS)
        except MediaRefused:
            continue
        assert facts.width * facts.height <= LIMITS.max_pixels, family


def test_the_families_are_written_by_the_decoder_that_reads_them() -> None:
    """V-10: the tests' own pictures are what they seem."""
    assert cv2.imdecode(np.frombuffer(coded(".png", scene()), np.uint8), cv2.IMREAD_UNCHANGED).shape == (96, 128, 3)
