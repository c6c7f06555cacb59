"""What an API key looks like, and what of it is kept: ``odk_`` + 12 hex digits of name + ``_`` + 64 of secret.

The secret has 256 random bits, so a plain SHA-256 of it cannot be guessed back; a slow password hash would only help
against guessable secrets. The fixed prefix is for secret scanners.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "odk_"
_FORM: Final = re.compile(r"odk_([0-9a-f]{12})_([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key in clear. ``repr`` shows its name only."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def draw(cls) -> KeyText:
        """A new one."""
        return cls(key_id=secrets.token_hex(6), secret=secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> KeyText | None:
        """None for anything that is not exactly a key."""
        found = _FORM.fullmatch(text)
        return cls(found[1], found[2]) if found else None

    def shown(self) -> str:
        """The text that its holder gets, once."""
        return f"{PREFIX}{self.key_id}_{self.secret}"

    @property
    def digest(self) -> str:
        """What is stored: SHA-256 of the secret's 32 bytes, as hex."""
        return hashlib.sha256(bytes.fromhex(self.secret)).hexdigest()

    def fits(self, stored_digest: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.digest.encode(), stored_digest.encode())


def new_client() -> str:
    """A pseudonym for a holder of keys."""
    return f"client-{secrets.token_hex(8)}"
