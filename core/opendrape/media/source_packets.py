"""What of a source's packets may stand in the output: the bytes of its pictures, and why a packet may not be copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from av.packet import Packet
from av.video.stream import VideoStream

from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import FidelityBroken
from opendrape.media.avc_configuration import StreamHead, drops_earlier_pictures, picture_set_of
from opendrape.media.bits import without_emulation
from opendrape.media.nal_units import (
    IDR_SLICE,
    PICTURE_DATA,
    PICTURE_PARAMETERS,
    SEI,
    SEQUENCE_PARAMETERS,
    unit_type,
)
from opendrape.media.opening import OpenedVideo
from opendrape.media.reader import packets_from

_NO_PICTURE: Final = frozenset({0, SEI, 9, 10, 11, 12, *range(24, 32)})  # table 7-1: a decoder ignores them
_FILM_GRAIN: Final = 19
_FIRST_SLICE = 0x80  # first_mb_in_slice is 0


@dataclass(frozen=True, slots=True)
class SourcePacket:
    """One packet as it would be copied.

    ``frame`` is the index of its picture, None when the timeline knows none; ``is_start``: an IDR picture that can be
    sought; ``units`` are its slices as they stand; ``flaw`` says why it cannot be copied, None when it can.
    """

    frame: int | None
    is_start: bool
    units: tuple[bytes, ...]
    flaw: str | None


class SourcePackets:
    """The packets of an opened source, group by group, in decode order; adjacent groups are read without a seek."""

    def __init__(self, video: OpenedVideo, head: StreamHead, timeline: Timeline) -> None:
        self._video, self._head, self._timeline = video, head, timeline
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._at: int | None = None

    def onwards(self, frame: int) -> Iterator[SourcePacket]:
        """Packets from the one of key frame ``frame`` to the end of the stream."""
        if self._at != frame:
            self._packets = packets_from(self._video, self._timeline, frame)
        self._at = None
        for packet in self._packets:
            if packet.size:
                yield source_packet(packet, self._head, self._timeline)

    def of(self, span: FrameSpan) -> Iterator[SourcePacket]:
        """The packets of whole groups; :class:`FidelityBroken` when they are not what was found copyable."""
        missing = set(span)
        for packet in self.onwards(span.start):
            is_first = len(missing) == len(span)
            if packet.flaw or packet.frame not in missing or (is_first and not packet.is_start):
                raise FidelityBroken(reason="source_group_differs")
            missing.remove(packet.frame)
            yield packet
            if not missing:
                self._at = span.end
                return
        raise FidelityBroken(reason="source_group_differs")


def source_packet(packet: Packet[VideoStream], head: StreamHead, timeline: Timeline) -> SourcePacket:
    """What ``packet`` consists of; never raises for what is in it."""
    frame = None if packet.pts is None else timeline.index_of.get(packet.pts)
    try:
        units = head.units_of(bytes(packet))
        kept = tuple(unit for unit in units if unit_type(unit) in PICTURE_DATA)
        flaw = _flaw_around(packet, frame) or _flaw_of_units(units, head) or _flaw_of_slices(kept, head)
    except ValueError:
        return SourcePacket(frame, False, (), "smart_render_damaged")
    # a key picture that the container does not call one cannot be found again: it stays inside its group
    is_start = packet.is_keyframe and bool(kept) and unit_type(kept[0]) == IDR_SLICE
    return SourcePacket(frame, is_start, kept, flaw)


def _flaw_around(packet: Packet[VideoStream], frame: int | None) -> str | None:
    if packet.is_corrupt:
        return "smart_render_damaged"
    if packet.has_sidedata("new_extradata") or packet.has_sidedata("param_change"):
        return "smart_render_changing_parameters"
    return "smart_render_hidden_pictures" if packet.is_discard or frame is None else None


def _flaw_of_units(units: list[bytes], head: StreamHead) -> str | None:
    for unit in units:
        kind = unit_type(unit)
        if kind in (SEQUENCE_PARAMETERS, PICTURE_PARAMETERS):
            if unit.rstrip(b"\0") not in (head.sequence_unit, *head.picture_units):
                return "smart_render_changing_parameters"
        elif kind == SEI:
            if _FILM_GRAIN in _messages(unit):
                return "smart_render_film_grain"
        elif kind not in PICTURE_DATA and kind not in _NO_PICTURE:
            return "smart_render_layers"
    return None


def _flaw_of_slices(slices: tuple[bytes, ...], head: StreamHead) -> str | None:
    pictures = sum(len(unit) > 1 and unit[1] >= _FIRST_SLICE for unit in slices)
    if pictures != 1 or len({unit_type(unit) for unit in slices}) != 1:
        return "smart_render_layers"
    if any(picture_set_of(unit) not in head.pictures for unit in slices):
        return "smart_render_damaged"
    if unit_type(slices[0]) == IDR_SLICE and any(drops_earlier_pictures(unit, head) for unit in slices):
        return "smart_render_prior_pictures"
    return None


def _messages(unit: bytes) -> Iterator[int]:
    """Payload types of the messages in an SEI unit (7.3.2.3.1)."""
    raw, at = without_emulation(unit[1:]), 0
    while at + 2 < len(raw):
        kind, at = _growing(raw, at)
        size, at = _growing(raw, at)
        at += size
        yield kind


def _growing(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(raw) and raw[at] == 0xFF:
        value, at = value + 255, at + 1
    return (value + raw[at], at + 1) if at < len(raw) else (value, at)
