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
from opendrape.ports.quick_look import NoQuickLook, QuickLook

LONGEST_DAYS: Final = 366
OVERLAP_HOURS: Final = 24.0
"""How long the old key of a rotation still works unless told otherwise."""

_USE_SECONDS: Final = 60.0
_GATHERED_SECONDS: Final = 5.0
_NO_DIGEST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key; ``text`` is shown to its holder and kept nowhere."""

    key: ApiKey
    text: str = field(repr=False)


class KeyOffice:
    """Issues and recognises keys. Threads may share one."""

    def __init__(self, store: AccessStore, clock: Clock, quick: QuickLook = NoQuickLook()) -> None:
        self._store, self._clock, self._quick = store, clock, quick
        self._told: dict[str, float] = {}
        self._used: set[str] = set()
        self._gathered_since: float | None = None

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
        caller = self._judged(given, self._store.find_key(given.key_id))
        self._note_use(given.key_id)
        self._tell_uses()
        return caller

    def recognise_at_once(self, text: str) -> Caller | None:
        """The holder of a good key by a look that never waits; None means that ``recognise`` is to be asked, whatever
        the reason. For event loops.
        """
        given = KeyText.parse(text)
        stored = None if given is None else self._quick.key(given.key_id)
        if given is None or stored is None:
            return None
        try:
            caller = self._judged(given, stored)
        except SignInRequired:
            return None
        self._note_use(given.key_id)
        return None if self._is_telling_due() else caller

    def _judged(self, given: KeyText, stored: StoredKey | None) -> Caller:
        fits = given.fits(stored.digest if stored else _NO_DIGEST)
        if stored is None or not fits or stored.key.revoked_at is not None:
            raise SignInRequired(reason="credential_unknown")
        if not stored.key.is_live(self._clock.now()):
            raise SignInRequired(reason="credential_expired")
        return stored.key.caller

    def _note_use(self, key_id: str) -> None:
        """Once a minute for each key: a read must not become a write each time."""
        told = self._told.get(key_id)
        if told is None or self._clock.monotonic() - told >= _USE_SECONDS:
            self._used.add(key_id)

    def _is_telling_due(self) -> bool:
        since = self._gathered_since
        return bool(self._used) and (since is None or self._clock.monotonic() - since >= _GATHERED_SECONDS)

    def _tell_uses(self) -> None:
        """Many keys in one write; what is gathered is told at the latest by the first to sign in after five seconds."""
        used, now = tuple(self._used), self._clock.monotonic()
        if used:
            self._store.keys_used(used)
            self._told |= dict.fromkeys(used, now)
            self._used.difference_update(used)
        self._gathered_since = now
