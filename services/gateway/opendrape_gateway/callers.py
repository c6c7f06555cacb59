"""Who is calling. (Until sign-in is merged everybody is ``local``, an administrator.)"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

CALLER_KEY = "opendrape.caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, and as what."""

    subject: str
    roles: frozenset[str]

    def sees(self, owner: str | None) -> bool:
        """True for own objects and for an admin; what belongs to nobody (None) is an admin's."""
        return "admin" in self.roles or (owner is not None and owner == self.subject)


async def the_caller(request: Request) -> Caller:
    """Whoever the gate let in."""
    caller = request.scope.get(CALLER_KEY)
    return caller if isinstance(caller, Caller) else Caller(subject="local", roles=frozenset({"admin"}))
