"""Whether anything but picture, time and geometry survived in a written file (V-09), and what was left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import av
from av.audio.stream import AudioStream

from opendrape.domain.media_info import MediaInfo
from opendrape.media.avc_configuration import is_only_parameter_sets
from opendrape.media.boundary import refusing
from opendrape.media.boxes import Box
from opendrape.media.coded_units import HEVC, UNIT_KINDS, UnitKinds, units_in_hvcc
from opendrape.media.descriptor_file import DescriptorFile
from opendrape.media.movie_boxes import (
    PICTURE_ENTRIES,
    SOUND_CONFIGURATIONS,
    SOUND_ENTRIES,
    all_boxes,
    opened_boxes,
)
from opendrape.media.nal_units import length_prefixed_units
from opendrape.media.sound_bits import UnfitToCopy, clean_header, holds_letters, without_text

_TABLE: Final = b"moov/trak/mdia/minf/stbl/"
_ENTRIES: Final = tuple(_TABLE + b"stsd/" + kind for kind in sorted(PICTURE_ENTRIES))
_ALLOWED: Final = frozenset(
    {
        *(b"ftyp", b"moov", b"mdat", b"free", b"moov/mvhd", b"moov/free", b"moov/trak", b"moov/trak/tkhd"),
        *(b"moov/trak/edts", b"moov/trak/edts/elst", b"moov/trak/mdia", b"moov/trak/mdia/mdhd"),
        *(b"moov/trak/mdia/hdlr", b"moov/trak/mdia/minf", b"moov/trak/mdia/minf/vmhd"),
        *(b"moov/trak/mdia/minf/dinf", b"moov/trak/mdia/minf/dinf/dref", _TABLE[:-1], _TABLE + b"stsd", *_ENTRIES),
        *(_TABLE + kind for kind in (b"stts", b"stss", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"sdtp", b"cslg")),
        *(entry + b"/" + kind for entry in _ENTRIES for kind in (b"avcC", b"hvcC", b"colr", b"pasp", b"btrt", b"fiel")),
    }
)
_SOUND_ENTRIES: Final = frozenset(_TABLE + b"stsd/" + kind for kind in SOUND_ENTRIES)
_ALLOWED_WITH_SOUND: Final = (
    frozenset({b"moov/trak/mdia/minf/smhd", _TABLE + b"sgpd", _TABLE + b"sbgp"})
    | _SOUND_ENTRIES
    | {entry + b"/" + kind for entry in _SOUND_ENTRIES for kind in (b"esds", b"dOps", b"dac3", b"dec3", b"btrt")}
)
_REPEATED: Final = frozenset({b"free", b"moov/free", b"moov/trak"})
_TRACK: Final = b"moov/trak"
_LETTERS_IN_SOUND: Final = 24  # in a row by chance: once in many thousand hours
_LARGEST_SOUND_CONFIGURATION: Final = 96
_HARMLESS_TAGS: Final = frozenset({"major_brand", "minor_version", "compatible_brands", "language", "handler_name"})
_HARMLESS_NAMES: Final = frozenset({b"", b"VideoHandler", b"SoundHandler"})
_TIMED_BOXES: Final = (b"moov/mvhd", b"moov/trak/tkhd", b"moov/trak/mdia/mdhd")
_NAME_IN_ENTRY: Final = slice(42, 74)  # compressorname, ISO/IEC 14496-12, 12.1.3
_SELF_CONTAINED: Final = bytes.fromhex("0000000000000001 0000000c 75726c20 00000001")


def survivors(path: Path, *, sounds: int = 0) -> tuple[str, ...]:
    """Slugs of what is in the MP4 at ``path`` besides pictures and what shows them; empty when it is clean.

    ``sounds`` streams of sound are meant to follow the video; in them, text in front of the sound itself, long words
    and room for comments in the decoder's configuration count. Boxes outside a short list, text in boxes on it, times
    of day, bytes that belong to no box or no sample, tags, languages, chapters, further streams, and NAL units that are
    not picture data (SEI and the like) all count.
    """
    found: set[str] = set()
    with opened_boxes(path) as file:
        found.update(_in_boxes(file, sounds))
        found.update(_in_container(path, file, sounds))
    return tuple(sorted(found))


def removed(media: MediaInfo, *, sounds: int = 0) -> dict[str, int]:
    """What of the source is not in the output, by kind and number, for the receipt; ``sounds`` streams were kept."""
    streams = media.other_streams
    counts = {
        "audio_streams": streams.audio - sounds,
        "subtitle_streams": streams.subtitle,
        "data_streams": streams.data,
        "attachments": streams.attachment,
        "attached_pictures": streams.attached_picture,
        "further_video_streams": streams.video,
        "tags_and_chapters": media.tag_count,
    }
    return {kind: count for kind, count in counts.items() if count}


def _in_boxes(file: DescriptorFile, sounds: int) -> Iterator[str]:
    seen: set[bytes] = set()
    end = tracks = 0
    allowed = _ALLOWED | _ALLOWED_WITH_SOUND if sounds else _ALLOWED
    for path, box in all_boxes(file):
        if path == _TRACK:
            seen = {other for other in seen if not other.startswith(_TRACK)}
            tracks += 1
        if path not in allowed:
            yield "user_data_box" if box.kind in (b"udta", b"meta", b"uuid") else "unexpected_box"
        elif (path in seen and path not in _REPEATED) or tracks > 1 + sounds:
            yield "box_twice"
        elif box.end > file.size:
            yield "broken_box"
        else:
            yield from _in_one_box(file, path, box)
        seen.add(path)
        end = max(end, box.end)
    if end != file.size:
        yield "trailing_bytes"


def _in_one_box(file: DescriptorFile, path: bytes, box: Box) -> Iterator[str]:
    if box.kind == b"mdat":
        return
    body = file.at(box.body, box.end - box.body)
    if box.kind == b"free" and any(body):
        yield "filled_free_space"
    if path in _TIMED_BOXES and any(body[4 : 20 if body[:1] == b"\x01" else 12]):
        yield "creation_time"
    if box.kind == b"hdlr" and body[24:].rstrip(b"\0") not in _HARMLESS_NAMES:
        yield "handler_name"
    if box.kind == b"avcC" and not is_only_parameter_sets(body):
        yield "unexpected_nal_unit"
    if box.kind in SOUND_CONFIGURATIONS and len(body) > _LARGEST_SOUND_CONFIGURATION:
        yield "sound_configuration"
    if box.kind in PICTURE_ENTRIES and any(body[_NAME_IN_ENTRY]):
        yield "encoder_name"
    if box.kind == b"hvcC":
        yield from _in_hevc_configuration(body)
    if box.kind == b"dref" and body != _SELF_CONTAINED:
        yield "outside_reference"


def _in_hevc_configuration(record: bytes) -> Iterator[str]:
    """Parameter sets and nothing else: there is room for supplemental information here."""
    try:
        found = {HEVC.kind(unit) for unit in units_in_hvcc(record)}
    except ValueError:
        yield "broken_box"
        return
    if found & HEVC.supplemental:
        yield "sei"
    if found - HEVC.supplemental - HEVC.parameters:
        yield "unexpected_nal_unit"


def _in_container(path: Path, file: DescriptorFile, sounds: int) -> Iterator[str]:
    with refusing("unreadable_output"):
        container = av.open(str(path), "r", format="mp4", metadata_errors="replace")
    with container, refusing("unreadable_output"):
        if [stream.type for stream in container.streams] != ["video", *["audio"] * sounds]:
            yield "further_streams"
            return
        if container.chapters():
            yield "chapters"
        if _codec(container.streams[0]) not in UNIT_KINDS:
            yield "unexpected_codec"
            return
        tags = set(container.metadata).union(*(stream.metadata for stream in container.streams))
        languages = {stream.metadata.get("language", "und") for stream in container.streams}
        if tags - _HARMLESS_TAGS or languages != {"und"}:
            yield "tags"
        yield from _in_sound_headers(container.streams.audio)
        sizes = 0
        for packet in container.demux():
            sizes += packet.size
            if packet.size and packet.stream.type == "video":
                yield from _in_packet(bytes(packet), UNIT_KINDS[_codec(packet.stream)])
            elif packet.size:
                yield from _in_sound(_codec(packet.stream), bytes(packet))
        if sizes != sum(box.end - box.body for kinds, box in all_boxes(file) if kinds == b"mdat"):
            yield "bytes_outside_samples"


def _in_sound_headers(streams: Iterable[AudioStream]) -> Iterator[str]:
    for stream in streams:
        try:
            clean_header(_codec(stream), stream.codec_context.extradata, b"")
        except UnfitToCopy:
            yield "sound_configuration"


def _in_sound(codec: str, payload: bytes) -> Iterator[str]:
    try:
        is_clean = without_text(codec, payload) == payload and not holds_letters(payload, least=_LETTERS_IN_SOUND)
    except UnfitToCopy:
        is_clean = False
    if not is_clean:
        yield "text_in_sound"


def _codec(stream: Any) -> str:
    return str(stream.codec_context.name).removesuffix("float").removeprefix("lib")


def _in_packet(payload: bytes, kinds: UnitKinds) -> Iterator[str]:
    found = {kinds.kind(unit) for unit in length_prefixed_units(payload)}
    if found & kinds.supplemental:
        yield "sei"
    if found - kinds.supplemental - kinds.pictures:
        yield "unexpected_nal_unit"
