"""How does a person see that something is going on: a bar on a terminal, a plain line now and then elsewhere (C-02)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from opendrape.cli.terminal import Terminal

_FIRST_SHOWN_SECONDS = 2.0
_LINE_EVERY_SECONDS = 5.0
_ENOUGH_TO_GO_BY = 0.03


class Shown(Protocol):
    """Takes the fraction done (0..1) and a short text; call it as often as you like."""

    def __call__(self, fraction: float, text: str) -> None: ...


@contextmanager
def shown_progress(terminal: Terminal, title: str, *, now: Callable[[], float] = monotonic) -> Iterator[Shown]:
    """Progress with an ETA on stderr while the context lasts; nothing with ``--json`` or ``--quiet``."""
    if not terminal.talks:
        yield _silent
    elif terminal.err.is_terminal:
        with _bar(terminal.err, title, now) as shown:
            yield shown
    else:
        yield PlainLines(terminal.err, title, now, started=now())


def _silent(fraction: float, text: str) -> None:
    """Nobody reads along."""
    del fraction, text


@contextmanager
def _bar(console: Console, title: str, now: Callable[[], float]) -> Iterator[Shown]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}"), console=console, transient=True) as bar:
        task, started = bar.add_task(title, total=1.0, text=""), now()

        def show(fraction: float, text: str) -> None:
            line = ", ".join(part for part in (text, eta_text(fraction, now() - started)) if part)
            bar.update(task, completed=fraction, text=line)

        yield show


@dataclass
class PlainLines:
    """One line every few seconds, none for what is over within two: for logs of a pipeline."""

    console: Console
    title: str
    now: Callable[[], float]
    started: float
    last: float | None = None

    def __call__(self, fraction: float, text: str) -> None:
        """Print a line when it is time for one."""
        elapsed = self.now() - self.started
        due = _FIRST_SHOWN_SECONDS if self.last is None else self.last + _LINE_EVERY_SECONDS
        if elapsed >= due:
            self.last = elapsed
            parts = (f"{self.title}: {fraction:4.0%}", text, eta_text(fraction, elapsed))
            self.console.print(", ".join(part for part in parts if part), markup=False, soft_wrap=True)


def eta_text(fraction: float, elapsed_seconds: float) -> str:
    """``about 1:05 left``, from the mean pace so far; empty while there is nothing to go by."""
    if fraction < _ENOUGH_TO_GO_BY or fraction >= 1.0:
        return ""
    left = round(elapsed_seconds * (1.0 - fraction) / fraction)
    minutes, seconds = divmod(left, 60)
    hours, minutes = divmod(minutes, 60)
    return f"about {hours}:{minutes:02}:{seconds:02} left" if hours else f"about {minutes}:{seconds:02} left"
