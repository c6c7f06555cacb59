"""Whether a container is all there: what its outermost sizes promise against how long the file is."""

from __future__ import annotations

from opendrape.errors import MediaRefused
from opendrape.media.boxes import top_level_boxes
from opendrape.media.descriptor_file import DescriptorFile
from opendrape.media.kinds import Kind

_LOAD_BEARING = frozenset({b"moov", b"moof", b"mdat"})
_SEGMENT = b"\x18\x53\x80\x67"


def check_intact(file: DescriptorFile, kind: Kind) -> None:
    """Raise :class:`MediaRefused` (``truncated``) when the file ends before its container does.

    Only what the first level of the container says is looked at; damage further in shows while reading.
    """
    promised = {Kind.MOV: _end_of_boxes, Kind.MATROSKA: _end_of_segment, Kind.AVI: _end_of_riff}.get(kind)
    if promised is not None and promised(file) > file.size:
        raise MediaRefused(reason="truncated")


def _end_of_boxes(file: DescriptorFile) -> int:
    boxes = list(top_level_boxes(file))
    if not any(box.kind == b"moov" for box in boxes):
        raise MediaRefused(reason="truncated")
    return max(box.end for box in boxes if box.kind in _LOAD_BEARING)


def _end_of_segment(file: DescriptorFile) -> int:
    head = file.at(0, 4096)
    at = head.find(_SEGMENT)
    if at < 0:
        raise MediaRefused(reason="corrupt")
    length = 9 - head[at + 4].bit_length() if at + 4 < len(head) else 9
    raw = int.from_bytes(head[at + 4 : at + 4 + length])
    size = raw & ((1 << (7 * length)) - 1)
    is_unknown = size == (1 << (7 * length)) - 1
    return 0 if is_unknown or length > 8 else at + 4 + length + size


def _end_of_riff(file: DescriptorFile) -> int:
    # recorders that stream leave zero, or the largest size, in the header
    size = int.from_bytes(file.at(4, 4), "little")
    return 0 if size in (0, 0xFFFFFFFF) else 8 + size
