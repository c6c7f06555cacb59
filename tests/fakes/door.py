"""A real gateway on a real socket over a whole container, in this process or in one that can be killed."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

from opendrape.bootstrap import Container, bootstrap
from opendrape.domain.access import Caller, Role, scopes_of
from opendrape.serving.server import run
from opendrape.settings import Settings
from opendrape_gateway.composition import create_app
from opendrape_gateway.gate import Gate

PEOPLE = {"anna": frozenset({Role.USER}), "berta": frozenset({Role.USER}), "chief": frozenset({Role.ADMIN})}


@contextlib.contextmanager
def whole_container(folder: Path, **more: Any) -> Iterator[Container]:
    """Everything that core owns, in one folder."""
    settings = Settings(state_dir=folder / "state", destination=folder / "out", **more)
    container = bootstrap(settings)
    with container.resources:
        yield container


def app_for(container: Any, who: Callable[[], str] = lambda: "chief") -> Any:
    """The app with its gate, whose keeper knows people by name: ``X-Test-Caller``, or ``who``, says who calls."""
    app = create_app(container)
    for layer in app.user_middleware:
        if layer.cls is Gate:
            layer.kwargs["doorkeeper"] = _KnowsByName()
    app.add_middleware(_Named, who=who)
    return app


class _KnowsByName:
    async def admit(self, authorization: list[str], _address: str) -> Caller:
        name = authorization[0].removeprefix("Test ")
        roles = PEOPLE.get(name, frozenset({Role.USER}))
        return Caller(subject=name, roles=roles, scopes=scopes_of(roles))


class _Named:
    def __init__(self, app: Any, who: Callable[[], str]) -> None:
        self._app, self._who = app, who

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            named = dict(scope["headers"]).get(b"x-test-caller", b"").decode("latin-1") or self._who()
            kept = [(name, text) for name, text in scope["headers"] if name != b"authorization"]
            scope["headers"] = [*kept, (b"authorization", f"Test {named}".encode("latin-1"))]
        await self._app(scope, receive, send)


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """The app's address while the context lasts."""
    stop, ports = threading.Event(), Queue[int]()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run, app, host="127.0.0.1", port=0, stop=stop, on_ready=ports.put)
        try:
            yield f"http://127.0.0.1:{ports.get(timeout=20)}"
        finally:
            stop.set()
            done.result(timeout=20)


def main(folder: str, port: str, uploads: str) -> None:
    """A server to be killed: ``python -m tests.fakes.door FOLDER PORT SETTINGS``."""
    with whole_container(Path(folder), uploads=json.loads(uploads)) as container:
        run(app_for(container), host="127.0.0.1", port=int(port), stop=threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
