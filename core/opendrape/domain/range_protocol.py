"""What does a confined child say to ask its parent for bytes of a source, and what does the parent answer?

One datagram each way on a ``SOCK_SEQPACKET`` pair. A request carries a random tag that its answer repeats: what was
meant for a child that died is not taken for an answer by the next one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

PIECE_BYTES: Final = 64 * 1024
"""Most bytes in one answer."""

TAG_BYTES: Final = 8
LONGEST_ANSWER: Final = TAG_BYTES + 9 + PIECE_BYTES

_REQUEST: Final = struct.Struct("!4s8sQI")
_ANSWER: Final = struct.Struct("!8sBQ")
_MAGIC: Final = b"ODR1"


class Word(IntEnum):
    """How an answer is meant."""

    BYTES = 0
    """``size`` is the size of the whole source; the bytes are those asked for, fewer only at its end"""
    FAILED = 1
    """the parent cannot read the source; it knows why and says so itself"""


@dataclass(frozen=True, slots=True)
class Request:
    """``count`` bytes at ``offset``; a count of 0 asks for the size alone."""

    tag: bytes
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """To the request with this tag."""

    tag: bytes
    word: Word
    size: int
    content: bytes = b""


def pack_request(request: Request) -> bytes:
    """As one datagram."""
    return _REQUEST.pack(_MAGIC, request.tag, request.offset, request.count)


def parse_request(datagram: bytes) -> Request:
    """``ValueError`` for anything that is none: the child may be in other hands."""
    if len(datagram) != _REQUEST.size:
        raise ValueError("not a request")
    magic, tag, offset, count = _REQUEST.unpack(datagram)
    if magic != _MAGIC or count > PIECE_BYTES or offset >= 2**63:
        raise ValueError("not a request")
    return Request(tag, offset, count)


def pack_answer(answer: Answer) -> bytes:
    """As one datagram."""
    return _ANSWER.pack(answer.tag, answer.word, answer.size) + answer.content


def parse_answer(datagram: bytes) -> Answer:
    """``ValueError`` for anything that is none."""
    if len(datagram) < _ANSWER.size:
        raise ValueError("not an answer")
    tag, word, size = _ANSWER.unpack_from(datagram)
    return Answer(tag, Word(word), size, datagram[_ANSWER.size :])
