"""What is a block called, so that its name says what must be in it and two writers can never mix theirs?

A block's id is base64 of an attempt's nonce (8 bytes), its place (4 bytes) and the MD5 of its content (16 bytes): all
of one length, as the service demands. What a dead writer left is recognised by place and content, whoever sent it. MD5
is enough here: the service itself checks it on arrival, and the whole is proven by the SHA-256 of the bytes read back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

_NONCE_BYTES: Final = 8
_ID_BYTES: Final = _NONCE_BYTES + 4 + 16


class Listed(Protocol):
    """A block as the service lists it."""

    id: str
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file: place, content and MD5 of the content."""

    index: int
    content: bytes
    md5: bytes

    @property
    def header(self) -> str:
        """The checksum as HTTP knows it."""
        return base64.b64encode(self.md5).decode()


def block(index: int, content: bytes) -> Block:
    """The block with its checksum."""
    return Block(index, content, hashlib.md5(content, usedforsecurity=False).digest())


def new_nonce() -> bytes:
    """For one attempt to send one file."""
    return secrets.token_bytes(_NONCE_BYTES)


def block_id(nonce: bytes, piece: Block) -> str:
    """The id under which this attempt sends the block."""
    return base64.b64encode(nonce + piece.index.to_bytes(4, "big") + piece.md5).decode()


class Staged:
    """The blocks that are already there and not yet part of a blob."""

    def __init__(self, listed: Iterable[Listed] = ()) -> None:
        self._ids: dict[tuple[int, bytes, int], str] = {}
        for entry in listed:
            found = _read(entry.id)
            if found is not None:
                self._ids[(*found, entry.size)] = entry.id

    def find(self, piece: Block) -> str | None:
        """The id of a block with this place, content and size."""
        return self._ids.get((piece.index, piece.md5, len(piece.content)))


def _read(text: str) -> tuple[int, bytes] | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _ID_BYTES:
        return None
    return int.from_bytes(raw[_NONCE_BYTES : _NONCE_BYTES + 4], "big"), raw[_NONCE_BYTES + 4 :]
