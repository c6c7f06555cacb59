"""A real gateway on a real socket over a whole container, in this process or in one that can be killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

from opendrape.access.key_office import KeyOffice
from opendrape.access.key_text import KeyText
from opendrape.bootstrap import Container, bootstrap
from opendrape.domain.access import Role
from opendrape.serving.server import run
from opendrape.settings import Settings
from opendrape_gateway.composition import create_app

_ONE_AT_A_TIME = threading.Lock()
_USER = frozenset({Role.USER})
PEOPLE = {"anna": _USER, "berta": _USER, "chief": frozenset({Role.ADMIN})}


@contextlib.contextmanager
def whole_container(folder: Path, **more: Any) -> Iterator[Container]:
    """Everything that core owns, in one folder."""
    settings = Settings(state_dir=folder / "state", destination=folder / "out", **more)
    container = bootstrap(settings)
    with container.resources:
        yield container


def app_for(container: Any, who: Callable[[], str] = lambda: "chief") -> Any:
    """The app; the header ``X-Test-Caller``, or ``who``, says who calls: each has a real key, made on first use."""
    app = create_app(container)
    app.add_middleware(_WithKey, container=container, who=who)
    return app


def key_of(container: Any, name: str) -> str:
    """The API key of a person of ``PEOPLE``, or of a user of that name; its client is the name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    text = KeyText(key_id=digest[:12], secret=digest)
    with _ONE_AT_A_TIME:
        if container.access.find_key(text.key_id) is None:
            KeyOffice(container.access, container.clock).issue(
                label="test", roles=PEOPLE.get(name, _USER), scopes=None, days=1, actor="test", client=name, text=text
            )
    return text.shown()


class _WithKey:
    def __init__(self, app: Any, container: Any, who: Callable[[], str]) -> None:
        self._app, self._container, self._who = app, container, who

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            named = dict(scope["headers"]).get(b"x-test-caller", b"").decode() or self._who()
            kept = [(name, text) for name, text in scope["headers"] if name != b"authorization"]
            bearer = f"Bearer {key_of(self._container, named)}".encode()
            scope["headers"] = [*kept, (b"authorization", bearer)]
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
