"""Which keys seal the audit: one active, and the earlier ones, with which old seals are still checked."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """``secrets`` by key id, in the order they were made; the last one is active."""

    secrets: dict[str, bytes] = field(repr=False)

    @property
    def active_id(self) -> str:
        """The id of the key that new seals are made with."""
        return next(reversed(self.secrets))

    @property
    def active(self) -> bytes:
        """That key."""
        return self.secrets[self.active_id]

    def secret(self, key_id: str) -> bytes | None:
        """The key of that id, if it is here."""
        return self.secrets.get(key_id)

    def with_new_active(self) -> AuditKeys:
        """One more key, active from now on."""
        key = secrets.token_bytes(KEY_BYTES)
        return AuditKeys({**self.secrets, key_id_of(key): key})


def new_audit_keys() -> AuditKeys:
    """A first key."""
    return AuditKeys({}).with_new_active()


def key_id_of(key: bytes) -> str:
    """A name that says nothing about the key: 16 hex digits."""
    return hashlib.sha256(b"opendrape-audit-key-id/1:" + key).hexdigest()[:16]
