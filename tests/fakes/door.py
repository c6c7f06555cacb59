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
from opendrape.settings import Settings
from opendrape_gateway.callers import CALLER_KEY, Caller
from opendrape_gateway.composition import create_app
from opendrape_gateway.server import run

PEOPLE = {"anna": frozenset({"user"}), "berta": frozenset({"user"}), "chief": frozenset({"admin"})}


@contextlib.contextmanager
def whole_container(folder: Path, **more: Any) -> Iterator[Container]:
    """Everything that core owns, in one folder."""
    settings = Settings(state_dir=folder / "state", destination=folder / "out", **more)
    container = bootstrap(settings)
    with container.resources:
        yield container


def app_for(container: Any, who: Callable[[], str] = lambda: "chief") -> Any:
    """The app with a stand-in for the gate: the header ``X-Test-Caller``, or ``who``, says who calls."""
    app = create_app(container)
    app.add_middleware(_Gate, who=who)
    return app


class _Gate:
    def __init__(self, app: Any, who: Callable[[], str]) -> None:
        self._app, self._who = app, who

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            named = dict(scope["headers"]).get(b"x-test-caller", b"").decode() or self._who()
            scope[CALLER_KEY] = Caller(subject=named, roles=PEOPLE.get(named, frozenset({"user"})))
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
