"""Which groups of pictures of a source may be copied as they are into the output (V-11), found without decoding.

A group runs from one IDR picture to the next, in decode and in presentation order, so that nothing outside it is
needed to show it. What cannot be proven is not copyable, with a reason for the report.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from opendrape.domain.media_info import FieldOrder, MediaInfo
from opendrape.domain.policy import EncodeRule
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.allowed import without_range
from opendrape.media.avc_configuration import StreamHead, stream_head
from opendrape.media.boundary import refusing
from opendrape.media.descriptor_file import DescriptorFile
from opendrape.media.inserted_parameters import Needs
from opendrape.media.kinds import Kind
from opendrape.media.limits import MediaLimits
from opendrape.media.movie_boxes import all_boxes
from opendrape.media.opening import OpenedVideo, opened_video
from opendrape.media.parameter_sets import BASELINE, HIGH, MAIN, SequenceSet
from opendrape.media.source_packets import SourcePacket, SourcePackets

SHORTEST_GROUP_SECONDS: Final = Fraction(1, 2)
"""Adjacent groups are joined until they last this long: each that is encoded costs a key frame."""

_PROFILES: Final = frozenset({BASELINE, MAIN, HIGH})
_MACROBLOCK = 16
_MOST_REORDERED = 16


@dataclass(frozen=True, slots=True)
class Group:
    """Frames that are copied together or encoded together. ``reason`` says why they cannot be copied, or is None."""

    span: FrameSpan
    reason: str | None

    @property
    def is_copyable(self) -> bool:
        """True when the group's packets may stand in the output as they are."""
        return self.reason is None


@dataclass(frozen=True)
class Copyable:
    """A source whose groups may be copied. ``groups`` follow each other and cover ``span``.

    ``head`` and ``needs`` depend on the source alone, so that all chunks of one video are written alike. ``reordered``
    is how many pictures wait for an earlier one in the groups that may be copied.
    """

    head: StreamHead
    needs: Needs
    media: MediaInfo
    timeline: Timeline
    span: FrameSpan
    groups: tuple[Group, ...]
    reordered: int

    def group_of(self, frame: int) -> Group:
        """The group that ``frame`` of the span is in."""
        return self.groups[bisect_right(self.groups, frame, key=lambda group: group.span.start) - 1]

    def whole_groups(self, span: FrameSpan) -> tuple[Group, ...]:
        """The groups that ``span`` consists of; ``ValueError`` when it cuts into one."""
        groups = tuple(group for group in self.groups if group.span.start in span)
        if not groups or groups[0].span.start != span.start or groups[-1].span.end != span.end:
            raise ValueError("a span of whole groups was expected")
        return groups


@dataclass(frozen=True, slots=True)
class NotCopyable:
    """A source of which nothing may be copied, and why, as a slug."""

    reason: str


def copyable_groups(
    descriptor: int,
    *,
    media: MediaInfo,
    timeline: Timeline,
    limits: MediaLimits,
    encode: EncodeRule,
    span: FrameSpan | None = None,
) -> Copyable | NotCopyable:
    """Look at the packets of ``span`` (default: all) once; nothing is decoded. ``encode``: how the others are written.

    :class:`NotCopyable` depends on the rule and the head of the source alone, never on ``span``. Raises
    :class:`MediaRefused` when the source cannot be read at all.
    """
    if (reason := _reason_in_facts(media, encode)) is not None:
        return NotCopyable(reason)
    wanted = FrameSpan(0, len(timeline)) if span is None else span
    with opened_video(descriptor, limits, threads=1) as video:
        head = _head(video)
        if head is None:
            return NotCopyable("smart_render_parameter_sets")
        reason = _reason_in_head(head.sequence, media) or _reason_in_boxes(descriptor, video.kind)
        if reason is not None:
            return NotCopyable(reason)
        measured = video.stream.codec_context.reorder_depth
        deepest = measured if head.sequence.reordered is None else head.sequence.reordered
        with refusing("corrupt"):
            packets = _packets(video, head, timeline, wanted)
            candidates = [_candidate(group, deepest) for group in _cut_at_starts(packets)]
    groups = tuple(_joined(_stretches(candidates, wanted), timeline))
    depth = max((found.depth for found in candidates if found.flaw is None), default=0)
    return Copyable(head, Needs.of(head, measured=measured), media, timeline, wanted, groups, depth)


def _reason_in_facts(media: MediaInfo, encode: EncodeRule) -> str | None:
    checks = {
        "smart_render_codec": media.codec != "h264" or (encode.codec, encode.encoder) != ("h264", "software"),
        "smart_render_lossless": encode.crf == 0,  # a profile of its own
        "smart_render_bit_depth": media.bit_depth != 8,
        "smart_render_pixel_format": without_range(media.pixel_format) != "yuv420p",
        "smart_render_interlaced": media.field_order is not FieldOrder.PROGRESSIVE,
        "smart_render_times": media.frames_numbered,
    }
    return next((reason for reason, holds in checks.items() if holds), None)


def _head(video: OpenedVideo) -> StreamHead | None:
    try:
        head = stream_head(video.stream.codec_context.extradata or b"")
    except ValueError:
        return None
    return None if any(found.has_redundant_pictures for found in head.pictures.values()) else head


def _reason_in_head(sequence: SequenceSet, media: MediaInfo) -> str | None:
    coding = sequence.coding
    coded = tuple(-(-size // _MACROBLOCK) for size in (media.width, media.height))
    checks = {
        "smart_render_profile": sequence.profile not in _PROFILES,
        "smart_render_pixel_format": sequence.format.chroma != 1,
        "smart_render_bit_depth": sequence.format.depths != (8, 8),
        "smart_render_interlaced": not coding.frames_only,
        "smart_render_geometry": coding.size_in_macroblocks != coded or bool(coding.crop[0] or coding.crop[2]),
        "smart_render_colour": not _says_colours(sequence, media),
        "smart_render_reordering": sequence.buffered > _MOST_REORDERED or coding.references > sequence.buffered,
    }
    return next((reason for reason, holds in checks.items() if holds), None)


def _says_colours(sequence: SequenceSet, media: MediaInfo) -> bool:
    """False when the pictures' colours are named somewhere else too, in messages that are not copied."""
    said, colour = sequence.description, media.colour
    if said is None or said.full_range is None:
        return True
    same = said.colours in (None, (colour.primaries, colour.transfer, colour.matrix))
    return same and said.full_range == colour.full_range


def _reason_in_boxes(descriptor: int, kind: Kind) -> str | None:
    """A movie may describe its samples in several ways; copied packets would have to say which."""
    if kind is Kind.MOV:
        file = DescriptorFile(descriptor)
        for path, box in all_boxes(file):
            if path.endswith(b"/stsd") and int.from_bytes(file.at(box.body + 4, 4)) != 1:
                return "smart_render_several_descriptions"
    return None


def _packets(video: OpenedVideo, head: StreamHead, timeline: Timeline, span: FrameSpan) -> Iterator[SourcePacket]:
    """Packets of the span, and on to the next IDR picture: only that shows that a group is complete."""
    source = SourcePackets(video, head, timeline)
    for packet in source.onwards(timeline.key_frame_at_or_before(span.start)):
        yield packet
        if packet.is_start and packet.frame is not None and packet.frame >= span.end:
            return


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The packets from one IDR picture to the next: their frames, why they cannot be copied, how deep they reorder."""

    frames: tuple[int | None, ...]
    flaw: str | None

    @property
    def start(self) -> int:
        return self.frames[0] or 0

    @property
    def end(self) -> int:
        return self.start + len(self.frames)

    @property
    def depth(self) -> int:
        return max(number - ((frame or 0) - self.start) for number, frame in enumerate(self.frames))


def _candidate(packets: list[SourcePacket], deepest: int) -> _Candidate:
    flaw = next((packet.flaw for packet in packets if packet.flaw), None)
    found = _Candidate(tuple(packet.frame for packet in packets), flaw)
    if flaw is None and not packets[0].is_start:
        flaw = "smart_render_open_group"
    if flaw is None and sorted(frame or 0 for frame in found.frames) != list(range(found.start, found.end)):
        flaw = "smart_render_open_group"
    if flaw is None and found.depth > deepest:
        flaw = "smart_render_reordering"
    return _Candidate(found.frames, flaw)


def _stretches(candidates: Iterable[_Candidate], span: FrameSpan) -> Iterator[Group]:
    """Copyable groups, and what lies between them."""
    at, reason = span.start, None
    for found in candidates:
        cut = "smart_render_cut_group" if found.start < at or found.end > span.end else None
        if (flaw := found.flaw or cut) is not None:
            reason = reason or flaw
            continue
        if found.start > at:
            yield Group(FrameSpan(at, found.start), reason or "smart_render_open_group")
        yield Group(FrameSpan(found.start, found.end), None)
        at, reason = found.end, None
    if at < span.end:
        yield Group(FrameSpan(at, span.end), reason or "smart_render_open_group")


def _cut_at_starts(packets: Iterable[SourcePacket]) -> Iterator[list[SourcePacket]]:
    group: list[SourcePacket] = []
    for packet in packets:
        if packet.is_start and group:
            yield group
            group = []
        group.append(packet)
    if group:
        yield group


def _joined(groups: Iterable[Group], timeline: Timeline) -> Iterator[Group]:
    """Short copyable neighbours become one group; what is left at the end of a run may stay short."""
    shortest = SHORTEST_GROUP_SECONDS / timeline.time_base
    waiting: Group | None = None
    for group in groups:
        if waiting is not None and not (group.is_copyable and waiting.is_copyable):
            yield waiting
            waiting = None
        joined = group if waiting is None else Group(FrameSpan(waiting.span.start, group.span.end), None)
        end = timeline.ticks[joined.span.end] if joined.span.end < len(timeline) else timeline.end_tick
        waiting = joined
        if not joined.is_copyable or end - timeline.ticks[joined.span.start] >= shortest:
            yield joined
            waiting = None
    if waiting is not None:
        yield waiting
