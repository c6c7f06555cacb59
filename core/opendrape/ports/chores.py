"""Which short things are done again and again, by whom: names, intervals, functions; no state of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Chore:
    """``act`` takes seconds at most, is idempotent, may run anywhere and at the same time as itself."""

    name: str
    every_seconds: float
    act: Callable[[], object]


class ChoreBook:
    """The chores of one process. What is due is never stored: a forgotten chore is simply done at its next time."""

    def __init__(self) -> None:
        self._chores: dict[str, Chore] = {}

    def add(self, name: str, *, every_seconds: float, act: Callable[[], object]) -> None:
        """Register a chore under a slug. ``ValueError`` for a name that is taken."""
        if name in self._chores:
            raise ValueError(f"two chores are called {name}")
        self._chores[name] = Chore(name, every_seconds, act)

    def __iter__(self) -> Iterator[Chore]:
        return iter(self._chores.values())


class Chores(Protocol):
    """Does what the book says until told to stop. One that fails is logged and done again at its next time."""

    def run(self, stop: threading.Event) -> None:
        """Return once ``stop`` is set and no chore runs any more."""
