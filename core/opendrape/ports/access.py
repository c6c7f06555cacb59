"""Where API keys are kept: everything about them but the keys themselves (H-05)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from opendrape.domain.access import ApiKey

LIVE_KEYS_PER_CLIENT: Final = 2
"""One in use and its successor."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key's facts and the digest of its secret."""

    key: ApiKey
    digest: str = field(repr=False)


class AccessStore(Protocol):
    """One transaction per call; every change appends its audit event in it. Times come from the adapter's clock, except
    those in an ``ApiKey``. A database that does not answer raises ``CatalogueUnavailable``.
    """

    def add_key(self, new: StoredKey, *, actor: str) -> None:
        """Keep a new key. ``IllegalTransition`` (``too_many_keys``) when its client has two live ones already."""

    def replace_key(self, key_id: str, new: StoredKey, *, old_until: datetime, actor: str) -> None:
        """Keep a new key of the same client; the old one ends at ``old_until`` or when it would have, what is sooner.

        ``NotFound``; ``IllegalTransition``: ``key_not_live``, ``too_many_keys``.
        """

    def revoke_key(self, key_id: str, *, actor: str) -> ApiKey:
        """End a key at once. Idempotent: the first time stays. ``NotFound`` when unknown."""

    def find_key(self, key_id: str) -> StoredKey | None:
        """The key of that name, live or not."""

    def keys(self, *, after: str | None = None, limit: int = 100) -> Sequence[ApiKey]:
        """A page in order of key ids (keyset)."""

    def has_keys(self) -> bool:
        """True when there ever was a key."""

    def keys_used(self, key_ids: Collection[str]) -> None:
        """Remember that the keys were used now. No audit event; an unknown key changes nothing."""
