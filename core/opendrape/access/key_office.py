"""How is a key issued, replaced and recognised: the rules around the store of keys (H-05)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from opendrape.access.key_text import KeyText, new_client
from opendrape.domain.access import ApiKey, Caller, Role, Scope, scopes_of
from opendrape.errors import NotFound, SignInRequired
from opendrape.ports.access import AccessStore, StoredKey
from opendrape.ports.clock import Clock

LONGEST_DAYS: Final = 366
OVERLAP_HOURS: Final = 24.0
"""How long the old key of a rotation still works unless told otherwise."""

_USE_SECONDS: Final = 60.0
_NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key; ``text`` is shown to its holder and kept nowhere."""

    key: ApiKey
    text: str = field(repr=False)


class KeyOffice:
    """Issues and recognises keys. Threads may share one."""

    def __init__(self, store: AccessStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._last_told: dict[str, float] = {}

    def issue(
        self,
        *,
        label: str,
        roles: Collection[Role],
        scopes: Collection[Scope] | None,
        days: float,
        actor: str,
        client: str | None = None,
        text: KeyText | None = None,
    ) -> Issued:
        """A new key, of a new client unless one is named; ``scopes`` None means all that the roles allow.

        ``IllegalTransition`` (``too_many_keys``) when the client has two live keys.
        """
        allowed = scopes_of(roles)
        now, drawn = self._clock.now(), text or KeyText.draw()
        key = ApiKey(
            key_id=drawn.key_id,
            client=client or new_client(),
            label=label,
            roles=frozenset(roles),
            scopes=allowed if scopes is None else frozenset(scopes) & allowed,
            created_at=now,
            expires_at=now + timedelta(days=min(days, LONGEST_DAYS)),
        )
        self._store.add_key(StoredKey(key, drawn.digest), actor=actor)
        return Issued(key, drawn.shown())

    def rotate(self, key_id: str, *, days: float, overlap_hours: float, actor: str) -> Issued:
        """A successor with the same client, roles and scopes; the old key works on for ``overlap_hours``.

        ``NotFound``; ``IllegalTransition``: ``key_not_live``, ``too_many_keys``.
        """
        old = self._store.find_key(key_id)
        if old is None:
            raise NotFound
        now, drawn = self._clock.now(), KeyText.draw()
        key = ApiKey(
            key_id=drawn.key_id,
            client=old.key.client,
            label=old.key.label,
            roles=old.key.roles,
            scopes=old.key.scopes,
            created_at=now,
            expires_at=now + timedelta(days=min(days, LONGEST_DAYS)),
        )
        until = now + timedelta(hours=overlap_hours)
        self._store.replace_key(key_id, StoredKey(key, drawn.digest), old_until=until, actor=actor)
        return Issued(key, drawn.shown())

    def recognise(self, text: str) -> Caller:
        """Whoever holds this key. ``SignInRequired``: ``credential_unknown`` (also for a revoked one),
        ``credential_expired``. An unknown name takes the same steps as a wrong secret.
        """
        given = KeyText.parse(text)
        if given is None:
            raise SignInRequired(reason="credential_unknown")
        stored = self._store.find_key(given.key_id)
        fits = given.fits(stored.digest if stored else _NO_DIGEST)
        if stored is None or not fits or stored.key.revoked_at is not None:
            raise SignInRequired(reason="credential_unknown")
        if not stored.key.is_live(self._clock.now()):
            raise SignInRequired(reason="credential_expired")
        self._tell_use(given.key_id)
        return stored.key.caller

    def _tell_use(self, key_id: str) -> None:
        """Once a minute: a read must not become a write each time."""
        now = self._clock.monotonic()
        last = self._last_told.get(key_id)
        if last is None or now - last >= _USE_SECONDS:
            self._last_told[key_id] = now
            self._store.key_used(key_id)
