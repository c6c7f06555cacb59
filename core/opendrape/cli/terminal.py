"""Where does a command write: results to stdout, notices and progress to stderr, JSON when a machine asked."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType

_WIDTH_WITHOUT_TERMINAL: Final = 200


@dataclass(frozen=True)
class Terminal:
    """One command's way to talk. ``as_json`` and ``quiet`` silence everything meant for people, except notices."""

    as_json: bool = False
    quiet: bool = False
    out: Console = field(default_factory=lambda: _console(sys.stdout))
    err: Console = field(default_factory=lambda: _console(sys.stderr))

    @property
    def talks(self) -> bool:
        """True when people read along."""
        return not (self.as_json or self.quiet)

    def say(self, text: RenderableType) -> None:
        """A result for a person."""
        if self.talks:
            self.out.print(text, markup=False, soft_wrap=isinstance(text, str))

    def notice(self, text: str) -> None:
        """Something that must be seen, also by someone who asked for quiet: a new key file, a refusal."""
        self.err.print(text, markup=False, soft_wrap=True)

    def result(self, content: dict[str, Any]) -> None:
        """The machine-readable result: one JSON document on stdout, only with ``--json``."""
        if self.as_json:
            self.out.file.write(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _console(stream: TextIO) -> Console:
    """As wide as the terminal; a pipe or a file has no width, so tables are not squeezed there."""
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _WIDTH_WITHOUT_TERMINAL)
