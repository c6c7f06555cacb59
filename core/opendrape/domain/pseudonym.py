"""How pseudonyms are made: random ones kept in the map, or keyed ones that a key reproduces (P-01)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import StrEnum
from typing import Final

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_BITS = 130
_LENGTH = _BITS // 5


class Scheme(StrEnum):
    """How a pseudonym comes about."""

    RANDOM = "random"
    HMAC_SHA256 = "hmac-sha256"


class Subject(StrEnum):
    """What a pseudonym stands for; the domain keeps the kinds apart under one key. An asset is a video."""

    PATIENT = "subject"
    ASSET = "asset"
    PICTURE = "picture"


PICTURES_FROM: Final = "z"
"""Pseudonyms of pictures sort from here on, all others before it: a list of one kind is one walk of an index."""
_PREFIX = {Subject.PATIENT: "s", Subject.ASSET: "a", Subject.PICTURE: PICTURES_FROM}


def is_picture(pseudonym: str) -> bool:
    """True for the pseudonym of a still picture."""
    return pseudonym >= PICTURES_FROM


def random_pseudonym(subject: Subject) -> str:
    """130 random bits, e.g. ``ar-4x…``: nothing to guess, nothing to compute."""
    return f"{_PREFIX[subject]}r-{_base32(secrets.randbits(_BITS))}"


def keyed_pseudonym(subject: Subject, identifier: str, *, key: bytes, key_version: int) -> str:
    """HMAC-SHA-256 of the domain-separated identifier, first 130 bits: the same under the same key at every site.

    Raises ``ValueError`` for a key under 32 bytes: a short key can be searched.
    """
    if len(key) < 32:
        raise ValueError("a pseudonym key has at least 32 bytes")
    message = f"opendrape/{subject}/v1\0{identifier}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return f"{_PREFIX[subject]}{key_version}-{_base32(int.from_bytes(digest) >> (256 - _BITS))}"


def _base32(number: int) -> str:
    letters = []
    for _ in range(_LENGTH):
        number, rest = divmod(number, 32)
        letters.append(_CROCKFORD[rest])
    return "".join(reversed(letters))
