"""How a planted identity string can be written down in bytes, and whether it is there."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

_SHORTEST_BASE64 = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """One canary found: ``where`` is a path below the searched folder (``!table`` for a SQLite cell)."""

    where: str
    canary: str
    form: str


@dataclass(frozen=True, slots=True)
class Needle:
    """One way of writing one canary down; ``any_case``: compared with lower-case bytes."""

    canary: str
    form: str
    content: bytes
    any_case: bool


def grep_bytes(content: bytes, canaries: Sequence[str], *, where: str = "bytes") -> list[Hit]:
    """Every canary that is in ``content``, in any usual encoding."""
    return list(found_in(content, [needle for canary in canaries for needle in needles_of(canary)], where))


def found_in(content: bytes, needles: Sequence[Needle], where: str) -> Iterator[Hit]:
    """The needles that are in ``content``."""
    lower = content.lower()
    for needle in needles:
        if needle.content in (lower if needle.any_case else content):
            yield Hit(where, needle.canary, needle.form)


def needles_of(canary: str) -> Iterator[Needle]:
    """Every way of writing it down; ASCII letters are compared in lower case, so other letters come in three cases."""
    seen: set[bytes] = set()
    for cased in (canary, canary.lower(), canary.upper()):
        for composition in ("NFC", "NFD"):
            text = unicodedata.normalize(composition, cased)
            for form, content, any_case in _forms(text):
                wanted = content.lower() if any_case else content
                if wanted not in seen:
                    seen.add(wanted)
                    yield Needle(canary, form, wanted, any_case)


def _forms(text: str) -> Iterator[tuple[str, bytes, bool]]:
    plain = text.encode()
    yield "utf-8", plain, True
    yield "utf-16-le", text.encode("utf-16-le"), True
    yield "utf-16-be", text.encode("utf-16-be"), True
    yield "latin-1", text.encode("latin-1", "replace"), True
    yield "percent-encoded", quote(text, safe="").encode(), True
    yield "form-encoded", quote_plus(text).encode(), True
    yield "json", json.dumps(text)[1:-1].encode(), True
    yield "hex", plain.hex().encode(), True
    yield from (("base64", code, False) for code in _base64_inside(plain))


def _base64_inside(plain: bytes) -> Iterator[bytes]:
    """The characters that are certain whatever stands before and behind, for the three alignments, both alphabets."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(plain)) * 8 // 6
        code = base64.b64encode(bytes(before) + plain)[first:last]
        if len(code) >= _SHORTEST_BASE64:
            yield code
            yield code.replace(b"+", b"-").replace(b"/", b"_")
