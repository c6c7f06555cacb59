"""Who makes this request, and may they: the dependencies that routes declare (H-05).

The gate has authenticated the request before any route runs; what is asked here is only what the route needs.
An object of somebody else is not forbidden but not there: ``must_see`` raises ``NotFound``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Request

from opendrape.domain.access import Caller, Role, Scope
from opendrape.errors import Forbidden, NotFound, SignInRequired

CALLER_KEY: Final = "opendrape.caller"
"""Where in the ASGI scope the gate leaves the caller."""


async def the_caller(request: Request) -> Caller:
    """Whoever was authenticated. ``SignInRequired`` when nobody was."""
    caller = request.scope.get(CALLER_KEY)
    if not isinstance(caller, Caller):
        raise SignInRequired
    return caller


TheCaller = Annotated[Caller, Depends(the_caller)]


def needs(*roles: Role, scope: Scope = Scope.READ) -> Callable[[Request], Coroutine[Any, Any, Caller]]:
    """A dependency: the caller, who has the scope and one of the roles (any role when none is named).

    ``Forbidden`` otherwise. An admin has every role, never a scope that its key lacks.
    """

    async def allowed(request: Request) -> Caller:
        caller = await the_caller(request)
        if not caller.may(scope) or (roles and not caller.is_any_of(*roles)):
            raise Forbidden
        return caller

    return allowed


def must_see(caller: Caller, owner: str | None) -> None:
    """``NotFound`` when the object belongs to somebody else, exactly as when there is none."""
    if not caller.sees(owner):
        raise NotFound
