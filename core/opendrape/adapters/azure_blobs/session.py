"""How does plain code talk to one container: a thread with a loop, a connection made at first need, errors of ours."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from opendrape.adapters.azure_blobs.account import Account, check_container_name
from opendrape.adapters.azure_blobs.answers import translated
from opendrape.adapters.azure_blobs.container import Container
from opendrape.adapters.azure_blobs.loop import LoopThread
from opendrape.adapters.azure_blobs.tuning import Tuning

_T = TypeVar("_T")


class ContainerSession:
    """One container below one prefix, for callers of any thread. Close it when done; a later call opens it again."""

    def __init__(self, account: Account, name: str, *, prefix: str, create: bool, tuning: Tuning) -> None:
        check_container_name(name)
        self._account, self._name, self._prefix = account, name, prefix
        self._create, self._tuning = create, tuning
        self._loop = LoopThread("opendrape-blobs")
        self._container: Container | None = None

    @property
    def requests(self) -> int:
        """How many requests were made so far, repeated ones too."""
        return self._container.ask.asked if self._container else 0

    def do(self, work: Callable[[Container], Coroutine[Any, Any, _T]]) -> _T:
        """Run on the loop; what SDK and network raise comes as ``StorageUnavailable``."""

        async def connected() -> _T:
            return await work(await self.connected())

        with translated():
            return self._loop.call(connected())

    async def connected(self) -> Container:
        """The container's client, made on the loop at first need."""
        if self._container is None:
            self._container = Container(self._account, self._name, self._prefix, self._tuning, create=self._create)
        return self._container

    def close(self) -> None:
        """End connections and thread. Idempotent."""
        self._loop.close(self._leave())

    async def _leave(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            await container.close()
