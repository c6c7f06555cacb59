"""What does the table of transitions look like: the page ``docs/states.md``, generated from it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from opendrape.domain.states import API_NAMES, ASSET_TERMINAL, ASSET_TRANSITIONS, WORK_TERMINAL, WORK_TRANSITIONS

S = TypeVar("S", bound=StrEnum)

_HEAD = """# States

Generated from `core/opendrape/domain/states.py`; write it anew with
`python -m opendrape.domain.state_diagram > docs/states.md`. A change of state that is not drawn here raises
`IllegalTransition`; one that is drawn leaves an audit event in the same transaction."""


def states_page() -> str:
    """The whole page in Markdown, with one Mermaid diagram for assets and one for work items."""
    return "\n\n".join(
        [
            _HEAD,
            "## Assets",
            _diagram(ASSET_TRANSITIONS, ASSET_TERMINAL, first="registered"),
            "How the API calls them:",
            _names(),
            "## Work items",
            _diagram(WORK_TRANSITIONS, WORK_TERMINAL, first="queued"),
            "`leased --> leased` is a heartbeat: it moves the deadline and leaves no audit event.\n",
        ]
    )


def _diagram(table: Mapping[S, frozenset[S]], terminal: frozenset[S], *, first: str) -> str:
    arrows = [f"    {before} --> {after}" for before in table for after in sorted(table[before])]
    ends = [f"    {state} --> [*]" for state in table if state in terminal]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *arrows, *ends, "```"])


def _names() -> str:
    rows = [f"| {state} | {name} |" for state, name in API_NAMES.items()]
    return "\n".join(["| state | API |", "|---|---|", *rows])


if __name__ == "__main__":
    sys.stdout.write(states_page())
