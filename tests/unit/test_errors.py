"""H-04, P-05: every error says what to do next and carries a reason that a person can look up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape import errors
from opendrape.domain.reasons import REASONS, explain
from opendrape.errors import OpenDrapeError
from opendrape.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SLUG = re.compile(r"[a-z][a-z0-9_]{2,47}")


def _tree(kind: type[OpenDrapeError]) -> Iterator[type[OpenDrapeError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


ALL = sorted(
    (kind for kind in _tree(OpenDrapeError) if kind.__module__ == errors.__name__), key=lambda kind: kind.__name__
)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_has_a_next_step_a_known_reason_and_a_message_of_its_own(kind: type[OpenDrapeError]) -> None:
    """H-04: no error leaves a person alone."""
    assert kind.next_step.endswith(".")
    assert kind.default_reason in REASONS
    assert str(kind()) == kind.default_reason.replace("_", " ")
    assert kind().reason == kind.default_reason
    assert kind(reason="timed_out").reason == "timed_out"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_in_the_tree_at_the_top_of_the_file(kind: type[OpenDrapeError]) -> None:
    """The drawing is complete."""
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__ or "")


def _sources() -> Iterator[tuple[Path, ast.AST]]:
    for folder in ("core", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))


def _written_reasons() -> Iterator[tuple[str, str]]:
    """Every literal given as ``reason=`` to an OpenDrapeError or a Failure, with its place."""
    names = {kind.__name__ for kind in ALL} | {"Failure"}
    for path, tree in _sources():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if ast.unparse(call.func).rpartition(".")[2] not in names:
                continue
            for word in call.keywords:
                if word.arg == "reason" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str):
                    yield word.value.value, f"{path.relative_to(ROOT)}:{call.lineno}"


def test_every_reason_in_the_code_is_explained() -> None:
    """P-05: reasons are a bounded set; one that is missing there would be counted and shown as `other`."""
    missing = {reason: place for reason, place in _written_reasons() if reason not in REASONS}
    assert not missing


def test_reasons_are_slugs() -> None:
    """P-05: a reason is a word of ours, never text."""
    assert [reason for reason in REASONS if not SLUG.fullmatch(reason)] == []


def test_a_reason_of_a_newer_version_is_said_to_be_unknown() -> None:
    """H-04: an older gateway in front of a newer worker."""
    assert explain(None) is None
    assert explain("from_the_future") == "A reason that this version does not know."


def _variables(prefix: str = "OPENDRAPE_", group: type = Settings) -> Iterator[tuple[str, str | None]]:
    for name, field in group.model_fields.items():  # type: ignore[attr-defined]
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from _variables(f"{prefix}{name.upper()}__", inner)
        else:
            yield f"{prefix}{name.upper()}", field.description


@pytest.mark.parametrize(("variable", "description"), list(_variables()), ids=lambda value: str(value)[:40])
def test_every_setting_is_documented(variable: str, description: str | None) -> None:
    """House style 9: each setting is in docs/settings.md with what it means; `make docs` writes the page."""
    assert description
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert any(f"`{variable}`" in line and description in line for line in page.splitlines())
