"""Who may do what: roles, scopes and the caller that every request is made by (H-05)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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

    def may(self, scope: Scope) -> bool:
        """True when both the credential and the roles allow it."""
        return scope in self.scopes and scope in scopes_of(self.roles)

    def sees(self, owner: str | None) -> bool:
        """True for own objects and for an admin; what belongs to nobody (None) is an admin's."""
        return Role.ADMIN in self.roles or (owner is not None and owner == self.subject)
