"""How an address is served with and without its last slash, and told once (H-01)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])
_ALSO_HIDDEN = ("status_code", "response_class", "response_model")


def at(method: Callable[..., Any], path: str, **described: Any) -> Callable[[Handler], Handler]:
    """Decorate a handler: ``@at(router.get, "/api/things/", operation_id=…)``."""
    hidden = {name: described[name] for name in _ALSO_HIDDEN if name in described}

    def registered(handler: Handler) -> Handler:
        method(path.rstrip("/"), include_in_schema=False, **hidden)(handler)
        method(path, **described)(handler)
        return handler

    return registered
