"""What a decoded picture says about colour and display that the output must say too, and what it may not carry."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from av.sidedata.sidedata import Type
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from opendrape.domain.media_info import ColourTags, FieldOrder
from opendrape.errors import MediaRefused

_JPEG_RANGE: Final = 2
_IDENTITY: Final = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_HDR: Final = frozenset(
    {
        Type.MASTERING_DISPLAY_METADATA,
        Type.CONTENT_LIGHT_LEVEL,
        Type.DYNAMIC_HDR_PLUS,
        Type.DYNAMIC_HDR_VIVID,
        Type.DOVI_METADATA,
        Type.DOVI_RPU_BUFFER,
        Type.AMBIENT_VIEWING_ENVIRONMENT,
    }
)
_FIELD_ORDERS: Final = {  # AV_FIELD_TT, BB, TB, BT: the second letter is the field that is shown first
    2: FieldOrder.TOP_FIRST,
    3: FieldOrder.BOTTOM_FIRST,
    4: FieldOrder.BOTTOM_FIRST,
    5: FieldOrder.TOP_FIRST,
}
_LAYOUT: Final = frozenset({Type.STEREO3D, Type.SPHERICAL})


def check_side_data(picture: VideoFrame) -> None:
    """Raise :class:`MediaRefused` when the picture cannot be shown right without something the output would lose."""
    kinds = {entry.type for entry in picture.side_data}  # type: ignore[attr-defined]
    if kinds & _HDR:
        raise MediaRefused(reason="hdr_metadata_unsupported")
    if kinds & _LAYOUT:
        raise MediaRefused(reason="stereo_or_spherical_unsupported")


def colour_tags(picture: VideoFrame) -> ColourTags:
    """The picture's colour description."""
    return ColourTags(
        primaries=int(picture.color_primaries),
        transfer=int(picture.color_trc),
        matrix=int(picture.colorspace),
        full_range=picture.format.name.startswith("yuvj") or int(picture.color_range) == _JPEG_RANGE,
    )


def display_matrix(picture: VideoFrame) -> tuple[int, ...] | None:
    """Nine fixed-point numbers in the order of ISO 14496-12, or None when the picture is shown as it is stored."""
    entries = [entry for entry in picture.side_data if entry.type is Type.DISPLAYMATRIX]  # type: ignore[attr-defined]
    if not entries:
        return None
    matrix = struct.unpack("=9i", bytes(entries[0])[:36])  # type: ignore[arg-type]
    return None if matrix == _IDENTITY else matrix


def is_interlaced(pictures: Sequence[VideoFrame]) -> bool:
    """True when any of the pictures consists of two fields."""
    return any(picture.interlaced_frame for picture in pictures)


def field_order(context: VideoCodecContext, pictures: Sequence[VideoFrame]) -> FieldOrder:
    """How ``pictures``, decoded by ``context``, are scanned; refuses when it is unknown which field comes first."""
    if not is_interlaced(pictures):
        return FieldOrder.PROGRESSIVE
    order = _FIELD_ORDERS.get(int(context.field_order))
    if order is None:
        raise MediaRefused(reason="field_order_unknown")
    return order
