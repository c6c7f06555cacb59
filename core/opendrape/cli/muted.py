"""How is an interval without sound written on the command line? ``START-END`` in frames, or in seconds with ``s``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

import typer
from pydantic import ValidationError

from opendrape.domain.sound import MutedInterval

Mutes = Annotated[
    list[str] | None,
    typer.Option(
        "--mute",
        help="Interval without sound where the policy keeps sound: 12.5s-14s in seconds after the start of the video,"
        " 300-420 in frames (from START up to, not with, END); without END to the end. Give it as often as needed.",
    ),
]
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s-(?:(\d+(?:\.\d+)?)s)?")
_FRAMES = re.compile(r"(\d+)-(\d+)?")


def muted_intervals(written: Sequence[str] | None) -> tuple[MutedInterval, ...]:
    """The intervals as data; ``typer.BadParameter`` (a usage error) for anything else."""
    return tuple(_interval(text.replace(" ", "")) for text in written or ())


def _interval(text: str) -> MutedInterval:
    for unit, form in (("seconds", _SECONDS), ("frames", _FRAMES)):
        found = form.fullmatch(text)
        if found is not None:
            start, end = found.groups()
            return _checked(unit, Fraction(start), Fraction(end) if end else None)
    raise typer.BadParameter(f"'{text}' is neither START-END in frames nor STARTs-ENDs in seconds", param_hint="--mute")


def _checked(unit: str, start: Fraction, end: Fraction | None) -> MutedInterval:
    try:
        return MutedInterval.model_validate({"unit": unit, "start": start, "end": end})
    except ValidationError:
        raise typer.BadParameter("ends before it starts", param_hint="--mute") from None
