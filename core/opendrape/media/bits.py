"""How single bits of an H.264 header are read and written (ITU-T H.264, 7.2, 7.3.1, 9.1)."""

from __future__ import annotations

from typing import Final

_EMULATION: Final = b"\x00\x00\x03"
_LONGEST_CODE: Final = 32


class BitReader:
    """Bits of a NAL unit's payload, front to back; ``ValueError`` where they end too early.

    ``position`` counts bits; :meth:`since` gives what was read as text of ``0`` and ``1``, for copying.
    """

    def __init__(self, payload: bytes) -> None:
        raw = without_emulation(payload)
        self._bits = bin(int.from_bytes(b"\x01" + raw))[3:] if raw else ""
        self.position = 0

    def unsigned(self, count: int) -> int:
        """``u(count)``."""
        return int(self.take(count), 2)

    def flag(self) -> bool:
        """``u(1)``."""
        return self.take(1) == "1"

    def golomb(self) -> int:
        """``ue(v)``."""
        zeros = 0
        while self.take(1) == "0":
            zeros += 1
            if zeros > _LONGEST_CODE:
                raise ValueError("no such code")
        return (1 << zeros) - 1 + (self.unsigned(zeros) if zeros else 0)

    def signed_golomb(self) -> int:
        """``se(v)``."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def take(self, count: int) -> str:
        """The next bits as they stand."""
        end = self.position + count
        if end > len(self._bits):
            raise ValueError("the bits end too early")
        taken = self._bits[self.position : end]
        self.position = end
        return taken

    def since(self, position: int) -> str:
        """What was read after ``position``."""
        return self._bits[position : self.position]

    def has_more(self) -> bool:
        """``more_rbsp_data()``: anything before the stop bit?"""
        return self.position < self._bits.rfind("1")

    def ends_here(self) -> bool:
        """True when only the stop bit and the zeros that fill its byte are left."""
        rest = self._bits[self.position :]
        return rest.startswith("1") and len(rest) <= 8 and "1" not in rest[1:]


def without_emulation(payload: bytes) -> bytes:
    """The raw bytes: every ``00 00 03`` becomes ``00 00``."""
    return payload.replace(_EMULATION, _EMULATION[:2])


def golomb(value: int) -> str:
    """``ue(v)`` of a number, as bits."""
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def unsigned(value: int, count: int) -> str:
    """``u(count)`` of a number, as bits."""
    return format(value, f"0{count}b")


def payload_of(bits: str) -> bytes:
    """Bits with a stop bit, filled up to bytes, start codes inside made harmless."""
    stopped = bits + "1"
    stopped += "0" * (-len(stopped) % 8)
    raw, payload, zeros = int(stopped, 2).to_bytes(len(stopped) // 8), bytearray(), 0
    for byte in raw:
        if zeros >= 2 and byte <= 3:
            payload.append(3)
            zeros = 0
        payload.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(payload)
