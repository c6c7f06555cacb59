"""How a decoded picture becomes the colours that a still picture file holds: eight bits, full range, BGR."""

from __future__ import annotations

from typing import Final

from opendrape.domain.media_info import MediaInfo
from opendrape.media.boundary import refusing
from opendrape.media.picture import Picture, Plane

_FULL_RANGE: Final = 2
_LIMITED_RANGE: Final = 1
_BT709: Final = 1
_UNSPECIFIED: Final = 2
_BT601: Final = 5
_BT2020: Final = 9
# ITU-T H.273 code -> FFmpeg's scaler's code
_SCALER_CODES: Final = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}
_HIGH_DEFINITION_ROWS: Final = 720


def bgr_plane(picture: Picture, media: MediaInfo) -> Plane:
    """The stored picture (not turned for display) as one plane of 3 bytes a pixel; the picture stays as it is.

    The matrix is the video's own; one that says nothing is taken by its size, as players do (ITU-R BT.709 from 720
    rows on, BT.601 below).
    """
    with refusing("unsupported_pixel_format"):
        turned = picture.frame.reformat(
            format="bgr24",
            src_colorspace=_matrix(media),
            src_color_range=_FULL_RANGE if picture.full_range else _LIMITED_RANGE,
            dst_color_range=_FULL_RANGE,
        )
    plane = turned.planes[0]
    return Plane(memoryview(plane).toreadonly(), turned.width * 3, turned.height, plane.line_size, 1)


def _matrix(media: MediaInfo) -> int:
    if media.colour.matrix == _UNSPECIFIED:
        return _BT709 if media.height >= _HIGH_DEFINITION_ROWS else _BT601
    return _SCALER_CODES.get(media.colour.matrix, _BT709)
