"""Every place of given modules where something can go wrong, and a way to make it go wrong there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import pytest

_KEPT = {"__enter__", "__exit__", "__call__"}


class Injected(Exception):
    """What goes wrong; no error of the product."""


@dataclass(frozen=True)
class Place:
    """A function, method or property of a module, by its dotted name."""

    module: ModuleType
    owner: type | None
    name: str

    @property
    def label(self) -> str:
        owner = f"{self.owner.__name__}." if self.owner else ""
        return f"{self.module.__name__.rpartition('.')[2]}.{owner}{self.name}"

    @property
    def original(self) -> Any:
        return vars(self.owner or self.module)[self.name]


@dataclass
class Fault:
    """Raises at the ``at``-th call of a place, and counts the calls."""

    at: int = 1
    calls: int = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                raise Injected
            return function(*given, **named)

        return instead

    @property
    def happened(self) -> bool:
        return self.calls >= self.at


def places(modules: Sequence[ModuleType]) -> Iterator[Place]:
    """Every function, method, class method and property that these modules define."""
    for module in modules:
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            if isinstance(value, FunctionType):
                yield Place(module, None, name)
            elif inspect.isclass(value) and not getattr(value, "_is_protocol", False):  # a protocol's are never called
                yield from (Place(module, value, attribute) for attribute in vars(value) if _counts(value, attribute))


def _counts(owner: type, name: str) -> bool:
    value = vars(owner)[name]
    written = inspect.unwrap(getattr(value, "__func__", getattr(value, "fget", value)))
    if not isinstance(written, FunctionType) or written.__qualname__ != f"{owner.__name__}.{name}":
        return False
    return name in _KEPT or not name.startswith("__")


def inject(place: Place, monkeypatch: pytest.MonkeyPatch, *, everywhere: Sequence[ModuleType], at: int = 1) -> Fault:
    """Make ``place`` fail; a function also where other modules imported it by name."""
    fault, original = Fault(at), place.original
    if place.owner is None:
        instead = fault.around(original)
        for module in everywhere:
            for name, value in list(vars(module).items()):
                if value is original:
                    monkeypatch.setattr(module, name, instead)
    elif isinstance(original, property):
        monkeypatch.setattr(place.owner, place.name, property(fault.around(original.fget)))  # type: ignore[arg-type]
    elif isinstance(original, classmethod):
        monkeypatch.setattr(place.owner, place.name, classmethod(fault.around(original.__func__)))
    else:
        monkeypatch.setattr(place.owner, place.name, fault.around(original))
    return fault
