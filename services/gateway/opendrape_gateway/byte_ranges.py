"""Which part of a file does a client want: one range of bytes, as RFC 9110, 14 has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from opendrape_gateway.refusal import Refusal

_ONE: Final = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``[start, end)``, at least one."""

    start: int
    end: int


def asked_part(header: str | None, size: int) -> Part | None:
    """None for the whole file: nothing was asked, several ranges were, or what no range is (such a header is ignored).

    ``Refusal`` 416 when the file ends before the range begins.
    """
    found = _ONE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= min(end, size):
        raise Refusal(416, "range_beyond_the_end", headers={"Content-Range": f"bytes */{size}"})
    return Part(start, end)
