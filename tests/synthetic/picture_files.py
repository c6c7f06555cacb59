"""How still pictures of every family are made for tests, and how words and places are planted in their files."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np

from opendrape.media.stills import png

PLACE = b"N\x0042.123456"
"""Stands for a place: planted as text beside real GPS tags."""


def scene(height: int = 96, width: int = 128, *, channels: int = 3, dtype: Any = np.uint8) -> Any:
    """A smooth picture that is different in every corner."""
    down, across = np.mgrid[0:height, 0:width]
    top = np.iinfo(dtype).max
    planes = [across / width, down / height, (across + down) / (width + height)][:channels]
    samples = (np.stack(planes, axis=-1) * top).astype(dtype)
    return samples if channels == 3 else np.ascontiguousarray(samples[..., 0])


def coded(ending: str, samples: Any, *options: int) -> bytes:
    """A file without anything planted in it."""
    done, file = cv2.imencode(ending, samples, list(options))
    assert done
    return file.tobytes()


def exif(*, orientation: int = 1, words: bytes = b"") -> bytes:
    """A TIFF block with an orientation, somebody's words as artist, and a GPS directory at a place."""
    artist = words + b"\0"
    start = 8 + 2 + 3 * 12 + 4
    gps_at = start + len(artist) + len(artist) % 2
    entries = [(0x0112, 3, 1, orientation), (0x013B, 2, len(artist), start), (0x8825, 4, 1, gps_at)]
    block = b"II*\0" + struct.pack("<IH", 8, len(entries))
    block += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    block += artist + b"\0" * (len(artist) % 2)
    gps = [(1, 2, 2, int.from_bytes(b"N\0", "little")), (2, 5, 3, gps_at + 2 + 2 * 12 + 4)]
    block += struct.pack("<H", len(gps)) + b"".join(struct.pack("<HHII", *entry) for entry in gps) + bytes(4)
    return block + struct.pack("<6I", 42, 1, 7, 1, 2434, 100) + PLACE


def jpeg_with(file: bytes, *, orientation: int = 1, words: bytes) -> bytes:
    """EXIF, XMP, a comment, somebody's application data and bytes behind the end."""
    parts = [
        (0xE1, b"Exif\0\0" + exif(orientation=orientation, words=words)),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + words + b"</x>"),
        (0xED, b"Photoshop 3.0\0" + words),
        (0xFE, words),
    ]
    segments = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in parts)
    return file[:2] + segments + file[2:] + words


def png_with(file: bytes, *, orientation: int = 1, words: bytes) -> bytes:
    """The same for PNG."""
    added = [(b"eXIf", exif(orientation=orientation, words=words)), (b"tEXt", b"Author\0" + words)]
    added += [
        (b"zTXt", b"Comment\0\0" + zlib.compress(words)),
        (b"tIME", bytes(7)),
        (b"gAMA", struct.pack(">I", 45455)),
    ]
    first = len(png.SIGNATURE) + 25
    return file[:first] + b"".join(png_chunk(kind, body) for kind, body in added) + file[first:] + words


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def webp_with(file: bytes, *, size: tuple[int, int], words: bytes, orientation: int = 1, kind: bytes = b"") -> bytes:
    """The same for WebP; ``kind`` adds an empty chunk of that kind."""
    picture = file[12:]
    head = struct.pack("<I", 0x0C) + (size[0] - 1).to_bytes(3, "little") + (size[1] - 1).to_bytes(3, "little")
    block = exif(orientation=orientation, words=words)
    body = webp_chunk(b"VP8X", head) + (webp_chunk(kind, bytes(6)) if kind else b"") + picture
    body += webp_chunk(b"EXIF", block) + webp_chunk(b"XMP ", words)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body + words


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def tiff_with(samples: Any, *, words: bytes, orientation: int = 1, pages: int = 1) -> bytes:
    """An uncompressed little-endian TIFF with a description, an orientation and as many pages."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    rows = np.ascontiguousarray(samples[..., ::-1] if channels == 3 else samples)
    file = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for _ in range(pages):
        strip, text = len(file), len(file) + rows.nbytes
        file += rows.tobytes() + words + b"\0\0"[: 2 - len(words) % 2]
        bits = len(file)
        file += struct.pack(f"<{channels}H", *[8 * samples.itemsize] * channels)
        struct.pack_into("<I", file, link, len(file))
        entries = [
            (256, 4, 1, samples.shape[1]),
            (257, 4, 1, samples.shape[0]),
            (258, 3, channels, bits if channels > 2 else 8 * samples.itemsize),
            (259, 3, 1, 1),
            (262, 3, 1, 2 if channels == 3 else 1),
            (270, 2, len(words) + 1, text),
            (273, 4, 1, strip),
            (274, 3, 1, orientation),
            (277, 3, 1, channels),
            (278, 4, 1, samples.shape[0]),
            (279, 4, 1, rows.nbytes),
        ]
        file += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
        link = len(file)
        file += bytes(4)
    return bytes(file) + words


def profile(words: bytes = b"", *, space: bytes = b"RGB ", table: bool = False) -> bytes:
    """A display profile of the second version with words in its description, and behind a curve."""
    text = b"desc" + bytes(4) + struct.pack(">I", len(words) + 1) + words + b"\0" + bytes(78)
    point = b"XYZ " + bytes(4) + struct.pack(">3i", 28500, 14600, 900)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + b"\0\0" + words
    names = [b"rXYZ", b"gXYZ", b"bXYZ"] if space == b"RGB " else []
    curves = [b"rTRC", b"gTRC", b"bTRC"] if space == b"RGB " else [b"kTRC"]
    tags = {b"desc": text, b"wtpt": point, **dict.fromkeys(names, point), **dict.fromkeys(curves, curve)}
    tags |= {b"A2B0": b"mft2" + bytes(40)} if table else {}
    body, entries = b"", b""
    first = 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        entries += struct.pack(">4sII", tag, first + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    head[8:12], head[12:24], head[36:40] = b"\x02\x10\0\0", b"mntr" + space + b"XYZ ", b"acsp"
    head[48:56] = words[:8].ljust(8, b"\0")
    whole = bytearray(bytes(head) + struct.pack(">I", len(tags)) + entries + body)
    whole[:4] = struct.pack(">I", len(whole))
    return bytes(whole)
