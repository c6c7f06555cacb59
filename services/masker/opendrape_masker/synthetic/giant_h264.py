"""How a few bytes of H.264 declare a picture of any size."""

from __future__ import annotations

_BASELINE, _LEVEL_6_2 = 66, 62
_START = b"\x00\x00\x00\x01"
# An IDR slice header and nothing behind it: enough for a demuxer, no picture for a decoder.
_STUB_SLICE = b"\x65\x88\x84\x21\xa0"


def giant_key_frame(side: int) -> bytes:
    """Annex B packet: parameter sets that declare ``side`` x ``side`` pixels (a multiple of 16), and a stub slice."""
    blocks = side // 16 - 1
    sequence = "".join(
        [
            f"{_BASELINE:08b}{0:08b}{_LEVEL_6_2:08b}",
            _golomb(0),  # seq_parameter_set_id
            _golomb(0),  # log2_max_frame_num_minus4
            _golomb(2),  # pic_order_cnt_type
            _golomb(1) + "0",  # max_num_ref_frames, gaps_in_frame_num_value_allowed_flag
            _golomb(blocks) + _golomb(blocks),
            "1000",  # frame_mbs_only, direct_8x8_inference, frame_cropping, vui_parameters_present
        ]
    )
    # Ids, CAVLC, one slice group, one reference, no weighting, QP 26, no extras (7.3.2.2).
    picture = _golomb(0) * 2 + "00" + _golomb(0) * 3 + "000" + _golomb(0) * 3 + "000"
    return b"".join([_START, b"\x67", _bits(sequence), _START, b"\x68", _bits(picture), _START, _STUB_SLICE])


def _golomb(value: int) -> str:
    """Unsigned Exp-Golomb code (ITU-T H.264, 9.1) as ones and zeros."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _bits(code: str) -> bytes:
    """Bytes with the stop bit of 7.3.2.11."""
    padded = code + "1"
    padded += "0" * (-len(padded) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, "big")
