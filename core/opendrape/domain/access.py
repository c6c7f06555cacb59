"""Who may do what: roles, scopes and the caller that every request is made by (H-05)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to this installation."""

    USER = "user"
    """works with own videos and requests"""
    REVIEWER = "reviewer"
    """looks at what waits for a decision, whoever brought it"""
    ADMIN = "admin"
    """sees everything, manages keys, reads the audit"""
    SERVICE = "service"
    """another system: works with its own objects, reads the figures"""


class Scope(StrEnum):
    """What a credential may be used for, within what its roles allow."""

    READ = "read"
    """look at lists, states, progress"""
    WRITE = "write"
    """bring, start, change, cancel, delete"""
    DOWNLOAD = "download"
    """take results away"""
    ADMIN = "admin"
    """keys, audit, settings of the installation"""


_DAILY = frozenset({Scope.READ, Scope.WRITE, Scope.DOWNLOAD})
_SCOPES_OF = {
    Role.USER: _DAILY,
    Role.REVIEWER: _DAILY,
    Role.SERVICE: _DAILY,
    Role.ADMIN: frozenset(Scope),
}


def scopes_of(roles: Collection[Role]) -> frozenset[Scope]:
    """Everything that these roles allow; nothing for no role."""
    return frozenset[Scope]().union(*(_SCOPES_OF[role] for role in roles))


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request. ``subject`` is a pseudonym (``client-…``, ``person-…``; 40 characters at most), the same
    for each of a client's keys and each sign-in of a person; fit for columns, audit and logs.
    """

    subject: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]

    def is_any_of(self, *roles: Role) -> bool:
        """True with one of the roles; an admin has each."""
        return Role.ADMIN in self.roles or not self.roles.isdisjoint(roles)

    @property
    def is_reviewer(self) -> bool:
        """True for whoever looks at what waits for a decision, whoever brought it."""
        return self.is_any_of(Role.REVIEWER)

    def may(self, scope: Scope) -> bool:
        """True when both the credential and the roles allow it."""
        return scope in self.scopes and scope in scopes_of(self.roles)

    def sees(self, owner: str | None) -> bool:
        """True for own objects and for an admin; what belongs to nobody (None) is an admin's."""
        return Role.ADMIN in self.roles or (owner is not None and owner == self.subject)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known about a key: everything but the key. ``client`` stays the same when a key is rotated."""

    key_id: str
    client: str
    label: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """True while the key opens anything."""
        return self.revoked_at is None and now < self.expires_at

    @property
    def caller(self) -> Caller:
        """Whoever holds the key."""
        return Caller(subject=self.client, roles=self.roles, scopes=self.scopes & scopes_of(self.roles))
