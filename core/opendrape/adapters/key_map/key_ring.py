"""Which keys the map has: one for look-ups and pseudonyms, one active and perhaps retiring ones for encryption."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from opendrape.adapters.private_files import create_private, read_private, replace_private
from opendrape.errors import ConfigurationError

KEY_BYTES: Final = 32

KeySource = Path | SecretStr
"""Where the ring is: a file that is read again when it changes, or the file's content, given once and never written."""

_NOTICE: Final = (
    "A new key for the key map was made. Back the key file up, apart from the map: whoever holds both can name the "
    "patients, and without the key the map is lost."
)


@dataclass(frozen=True, slots=True)
class Key:
    """256 secret bits and the version that rows name."""

    version: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """``lookup`` is not rotated: blind indexes and keyed pseudonyms derive from it, and both must stay findable."""

    lookup: Key
    active: Key
    retiring: tuple[Key, ...] = ()

    def secret(self, version: int) -> bytes | None:
        """The encryption key of that version, if it is on the ring."""
        return next((key.secret for key in (self.active, *self.retiring) if key.version == version), None)

    @property
    def next_version(self) -> int:
        """What a rotation makes active: the version after this one, or this one when its rotation was interrupted."""
        return self.active.version if self.retiring else self.active.version + 1

    def with_new_active(self) -> KeyRing:
        """A fresh active key; the present one retires."""
        return replace(self, active=_new_key(self.active.version + 1), retiring=(self.active, *self.retiring))

    def without_retiring(self) -> KeyRing:
        """Only the active key is left."""
        return replace(self, retiring=())


class _FileKey(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = Field(ge=1)
    key: Base64Bytes

    @field_validator("key")
    @classmethod
    def _of_full_length(cls, key: bytes) -> bytes:
        if len(key) != KEY_BYTES:
            raise ValueError("not 256 bits")
        return key


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    format: Literal["opendrape-map-key/1"]
    lookup: _FileKey
    active: _FileKey
    retiring: tuple[_FileKey, ...] = ()


def load_key_ring(source: KeySource) -> KeyRing:
    """Read the key file. ``ConfigurationError`` (``key_file_missing``, ``…_permissions``, ``…_unreadable``)."""
    content = read_private(source) if isinstance(source, Path) else source.get_secret_value().encode()
    try:
        read = _KeyFile.model_validate_json(content)
    except ValidationError:
        raise ConfigurationError("the map's key file is not one", reason="key_file_unreadable") from None
    retiring = tuple(_from_file(key) for key in read.retiring)
    return KeyRing(lookup=_from_file(read.lookup), active=_from_file(read.active), retiring=retiring)


def load_or_create_key_ring(source: KeySource, *, may_create: bool, notice: Callable[[str], None]) -> KeyRing:
    """Read the key file, or make one (0600) and say so. Of two processes that make one, both get the same.

    ``ConfigurationError`` (``key_file_missing``) when there is none and ``may_create`` is False.
    """
    if may_create and isinstance(source, Path) and not source.exists():
        ring = KeyRing(lookup=_new_key(1), active=_new_key(1))
        if create_private(source, _to_file(ring)):
            notice(_NOTICE)
    return load_key_ring(source)


def save_key_ring(source: KeySource, ring: KeyRing) -> None:
    """Put the ring in the key file's place in one step. ``ConfigurationError`` when that cannot be done."""
    if not isinstance(source, Path):
        raise ConfigurationError(
            "the map's key is given by a setting and cannot be changed there: rotate with a key file",
            reason="map_key_not_writable",
        )
    replace_private(source, _to_file(ring))


def _new_key(version: int) -> Key:
    return Key(version=version, secret=secrets.token_bytes(KEY_BYTES))


def _from_file(key: _FileKey) -> Key:
    return Key(version=key.version, secret=key.key)


def _to_file(ring: KeyRing) -> bytes:
    content = {
        "format": "opendrape-map-key/1",
        "lookup": _entry(ring.lookup),
        "active": _entry(ring.active),
        "retiring": [_entry(key) for key in ring.retiring],
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _entry(key: Key) -> dict[str, str | int]:
    return {"version": key.version, "key": b64encode(key.secret).decode()}
