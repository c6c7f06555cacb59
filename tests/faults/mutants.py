"""What the code looks like with one step taken out, and how a test run comes to see that code."""

from __future__ import annotations

import ast
import copy
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SITE = '''"""Stands where the interpreter starts: loads one module with a step taken out."""
from importlib.machinery import SourceFileLoader

_PATH, _SOURCE = {path!r}, {source!r}
_get_code = SourceFileLoader.get_code


def get_code(self, name):
    return self.source_to_code(_SOURCE.encode(), self.path) if self.path == _PATH else _get_code(self, name)


SourceFileLoader.get_code = get_code
'''


class DoesNotApply(AssertionError):
    """The code is not what the mutation was written for: change the table with the code."""


@dataclass(frozen=True)
class Mutation:
    """One step taken out of ``function`` (qualified name) of ``module``, and the tests that must notice.

    Exactly one of: ``gives`` (the function only returns this expression), ``without`` (the statements whose first line
    contains this text are dropped) and ``instead`` (an expression or constant is replaced by another; in a module's
    body when ``function`` is empty).
    """

    step: str
    module: str
    function: str
    tests: tuple[str, ...]
    gives: str | None = None
    without: str | None = None
    instead: tuple[str, str] | None = None

    def __str__(self) -> str:
        return self.step

    @property
    def path(self) -> Path:
        """The module's file."""
        found = importlib.util.find_spec(self.module)
        if found is None or found.origin is None:
            raise DoesNotApply(f"{self.step}: there is no {self.module}")
        return Path(found.origin)

    def source(self) -> str:
        """The module's text with the step taken out."""
        tree = ast.parse(self.path.read_text("utf-8"))
        place = _found(tree, self.function.split(".")) if self.function else tree
        if place is None:
            raise DoesNotApply(f"{self.step}: there is no {self.module}.{self.function}")
        before = ast.dump(place)
        self._change(place)
        if ast.dump(place) == before:
            raise DoesNotApply(f"{self.step}: nothing to change in {self.module}.{self.function}")
        return ast.unparse(ast.fix_missing_locations(tree))

    def _change(self, place: ast.AST) -> None:
        if self.gives is not None:
            assert isinstance(place, ast.FunctionDef)
            place.body = ast.parse(f"return {self.gives}").body
        elif self.without is not None:
            _Dropper(self.without).visit(place)
        elif self.instead is not None:
            _Exchanger(*self.instead).visit(place)

    def write_site(self, folder: Path) -> Path:
        """A folder for PYTHONPATH under which the mutated module is loaded."""
        folder.mkdir()
        text = _SITE.format(path=str(self.path), source=self.source())
        (folder / "sitecustomize.py").write_text(text, "utf-8")
        return folder


def _found(place: ast.AST, names: list[str]) -> ast.AST | None:
    for name in names:
        inner = [node for node in ast.iter_child_nodes(place) if getattr(node, "name", None) == name]
        if not inner:
            return None
        place = inner[0]
    return place


class _Dropper(ast.NodeTransformer):
    """Puts ``pass`` in place of statements by the text of their first line."""

    def __init__(self, text: str) -> None:
        self._text = text

    def visit(self, node: ast.AST) -> ast.AST:
        is_inner = isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef)
        if is_inner and self._text in ast.unparse(node).splitlines()[0]:
            return ast.copy_location(ast.Pass(), node)
        return super().generic_visit(node)


class _Exchanger(ast.NodeTransformer):
    """Replaces an expression wherever it stands, compared as text."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = _expression(old), _expression(new)
        self._text = ast.unparse(self._old)

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and ast.unparse(node) == self._text:
            return ast.copy_location(copy.deepcopy(self._new), node)
        return super().generic_visit(node)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def statements(module: str) -> Iterator[tuple[str, str]]:
    """Every place of a module where one statement can be taken out: function and text of its first line."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    yield from _statements(ast.parse(Path(found.origin).read_text("utf-8")), "")


def _statements(place: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    for node in ast.iter_child_nodes(place):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from _statements(node, f"{name}.{node.name}".strip("."))
        elif name and _is_a_step(node):
            yield name, ast.unparse(node).splitlines()[0]
            yield from _statements(node, name)
        elif not isinstance(node, ast.expr):
            yield from _statements(node, name)


def _is_a_step(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    return isinstance(node, ast.AugAssign | ast.If | ast.For | ast.While | ast.Raise | ast.Delete)
