"""Which public keys the issuer of tokens has: fetched seldom, kept while the issuer is away, never fetched on demand
of whoever sends tokens (H-05).

A token with an unknown key id causes at most one fetch per ``refetch_seconds`` in all, however many come. A fetch that
fails, or brings no usable key, leaves the known keys as they are until they are ``stale_seconds`` old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from opendrape.errors import IssuerUnreachable, SignInRequired
from opendrape.logging import get_log

_MOST_KEYS: Final = 64
_KINDS: Final = frozenset({"RSA", "EC", "OKP"})
_log = get_log("gateway")


class IssuerKeys:
    """A cache of public keys by key id. ``fetch`` brings a JWK set as parsed JSON, or raises ``IssuerUnreachable``."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        monotonic: Callable[[], float],
        fresh_seconds: float,
        stale_seconds: float,
        refetch_seconds: float,
    ) -> None:
        self._fetch, self._monotonic = fetch, monotonic
        self._fresh_seconds, self._stale_seconds = fresh_seconds, max(fresh_seconds, stale_seconds)
        self._refetch_seconds = refetch_seconds
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> PyJWK:
        """The key of that id. ``SignInRequired`` (``credential_unknown``) when the issuer has none of that id;
        ``IssuerUnreachable`` when that cannot be known now.
        """
        if (key_id not in self._keys or self._age() >= self._fresh_seconds) and not self._serves_while_busy(key_id):
            await self._refresh()
        found = self._keys.get(key_id)
        if self._age() >= self._stale_seconds:
            raise IssuerUnreachable
        if found is None and self._last_fetch_failed():
            raise IssuerUnreachable
        if found is None:
            raise SignInRequired(reason="credential_unknown")
        return found

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._monotonic() - self._fetched_at

    def _last_fetch_failed(self) -> bool:
        return self._fetched_at is None or (self._tried_at is not None and self._tried_at > self._fetched_at)

    def _serves_while_busy(self, key_id: str) -> bool:
        """A known key need not wait for somebody else's fetch."""
        return self._lock.locked() and key_id in self._keys

    async def _refresh(self) -> None:
        async with self._lock:
            now = self._monotonic()
            if self._tried_at is not None and now - self._tried_at < self._refetch_seconds:
                return
            self._tried_at = now
            try:
                keys = usable_keys(await self._fetch())
            except IssuerUnreachable:
                keys = {}
            if not keys:
                _log.warning("issuer_unreachable", reason=IssuerUnreachable.default_reason)
                return
            self._keys, self._fetched_at = keys, now


def usable_keys(jwk_set: Mapping[str, Any]) -> dict[str, PyJWK]:
    """The set's public signature keys by id. No shared secrets, no keys for encryption, nothing unreadable."""
    listed = jwk_set.get("keys")
    keys: dict[str, PyJWK] = {}
    for one in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(one, dict) or one.get("kty") not in _KINDS or one.get("use", "sig") != "sig":
            continue
        key_id = one.get("kid")
        if isinstance(key_id, str) and "d" not in one:
            try:
                keys[key_id] = PyJWK.from_dict(one)
            except (PyJWTError, ValueError, TypeError, KeyError):
                continue
    return keys
