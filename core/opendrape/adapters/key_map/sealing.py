"""How one row is sealed and found again: AES-256-GCM per row, keyed blind indexes instead of plain search columns."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from opendrape.adapters.key_map.key_ring import KEY_BYTES, KeyRing, KeySource, load_key_ring
from opendrape.errors import ConfigurationError

_NONCE_BYTES: Final = 12
_FORMAT: Final = "opendrape-key-map/1"


class Kind(StrEnum):
    """What a row is about."""

    CHECK = "check"
    ASSET = "asset"
    SUBJECT = "subject"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the file has it: pseudonyms and key version in clear, everything else sealed or keyed."""

    row_id: str
    kind: Kind
    pseudonym: str
    subject_id: str | None
    blind: bytes = field(repr=False)
    key_version: int
    sealed: bytes = field(repr=False)


class Seals:
    """The ring at work. Reads the key file again when a row names a version that it does not know."""

    def __init__(self, key_file: KeySource, ring: KeyRing) -> None:
        self._key_file = key_file
        self.ring = ring

    def reload(self) -> KeyRing:
        """Read the key file again: another process may have rotated."""
        self.ring = load_key_ring(self._key_file)
        return self.ring

    def blind(self, kind: Kind, value: str) -> bytes:
        """HMAC-SHA-256 of the value under a key derived for this kind of row alone."""
        key = self._derived(f"blind-index/{kind}")
        return hmac.new(key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()

    @property
    def pseudonym_key(self) -> bytes:
        """The key of the ``hmac-sha256`` scheme: the same wherever the look-up key is the same."""
        return self._derived("pseudonym")

    def seal(self, row: Row, content: dict[str, str | int | None], *, version: int) -> Row:
        """The row with ``content`` encrypted under that version; every other column is authenticated with it."""
        nonce = os.urandom(_NONCE_BYTES)
        row = replace(row, key_version=version)
        plain = json.dumps(content).encode()
        return replace(row, sealed=nonce + self._cipher(version).encrypt(nonce, plain, _associated(row)))

    def open(self, row: Row) -> dict[str, str | int | None]:
        """What was sealed. ``ConfigurationError``: ``map_key_version_missing`` or ``map_row_unreadable``."""
        nonce, sealed = row.sealed[:_NONCE_BYTES], row.sealed[_NONCE_BYTES:]
        try:
            plain = self._cipher(row.key_version).decrypt(nonce, sealed, _associated(row))
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                "a row of the key map does not open with its key", reason="map_row_unreadable"
            ) from None
        content: dict[str, str | int | None] = json.loads(plain)
        return content

    def _cipher(self, version: int) -> AESGCM:
        secret = self.ring.secret(version) or self.reload().secret(version)
        if secret is None:
            raise ConfigurationError("the key file lacks a version", reason="map_key_version_missing")
        return AESGCM(secret)

    def _derived(self, purpose: str) -> bytes:
        derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"{_FORMAT}/{purpose}".encode())
        return derive.derive(self.ring.lookup.secret)


def _associated(row: Row) -> bytes:
    """Bound to the ciphertext: a sealed value moved to another row, kind, pseudonym or version does not open."""
    bound = [_FORMAT, row.kind, row.row_id, row.key_version, row.pseudonym, row.subject_id, row.blind.hex()]
    return json.dumps(bound).encode()
