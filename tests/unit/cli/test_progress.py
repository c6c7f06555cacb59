"""C-02: progress with an ETA on anything over two seconds; nothing for machines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from opendrape.cli.progress import PlainLines, eta_text, shown_progress
from opendrape.cli.terminal import Terminal


class Watch:
    """A stop watch that a test turns."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def written_to(terminal: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=120), stream


@pytest.mark.parametrize(
    ("fraction", "elapsed", "text"),
    [
        (0.0, 10.0, ""),
        (1.0, 10.0, ""),
        (0.5, 10.0, "about 0:10 left"),
        (0.25, 30.0, "about 1:30 left"),
        (0.029, 100.0, ""),
        (0.04, 400.0, "about 2:40:00 left"),
    ],
)
def test_the_eta_follows_from_the_pace_so_far(fraction: float, elapsed: float, text: str) -> None:
    """C-02."""
    assert eta_text(fraction, elapsed) == text


def test_what_is_over_within_two_seconds_prints_nothing() -> None:
    """C-02: a log of short steps stays short."""
    console, stream = written_to()
    watch = Watch()
    lines = PlainLines(console, "masking", watch, started=watch())
    watch.seconds += 1.9
    lines(0.5, "1/2 videos")
    assert stream.getvalue() == ""


def test_a_pipeline_gets_a_line_every_five_seconds() -> None:
    """C-02: plain lines where there is no terminal."""
    console, stream = written_to()
    watch = Watch()
    lines = PlainLines(console, "masking", watch, started=watch())
    for _ in range(40):
        watch.seconds += 0.25
        lines((watch.seconds - 100) / 20, "1/2 videos")
    assert stream.getvalue().splitlines() == [
        "masking:  10%, 1/2 videos, about 0:18 left",
        "masking:  35%, 1/2 videos, about 0:13 left",
    ]


def test_a_terminal_gets_a_bar() -> None:
    """C-02."""
    console, stream = written_to(terminal=True)
    with shown_progress(Terminal(err=console), "masking") as shown:
        shown(0.5, "1/2 videos")
    assert "masking" in stream.getvalue()


@pytest.mark.parametrize("quiet", [{"as_json": True}, {"quiet": True}])
def test_machines_and_quiet_people_get_nothing(quiet: dict[str, bool]) -> None:
    """C-02."""
    console, stream = written_to(terminal=True)
    with shown_progress(Terminal(err=console, **quiet), "masking") as shown:
        shown(0.5, "1/2 videos")
    assert stream.getvalue() == ""
