"""How are a device profile and intervals that a person confirmed written on the command line?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from opendrape.domain.scene_facts import ConfirmedInterval

DeviceId = Annotated[
    str | None,
    typer.Option("--device", help="Device profile whose fixed regions are masked, for exactly its picture size."),
]
AllowUnverified = Annotated[
    bool, typer.Option("--allow-unverified-device", help="Take a device profile that nobody compared with a recording.")
]
Intervals = Annotated[
    list[str] | None,
    typer.Option(
        "--interval",
        help="Confirmed time, START-END=in (inside the body, not blacked) or START-END=out (blacked), in frames from"
        " START up to, not with, END. It wins over the detector. Give it as often as needed.",
    ),
]
_FORM = re.compile(r"(\d+)-(\d+)=(in|out)")


def confirmed_intervals(written: Sequence[str] | None) -> tuple[ConfirmedInterval, ...]:
    """The intervals as data; ``typer.BadParameter`` (a usage error) for anything else."""
    return tuple(_interval(text) for text in written or ())


def confirmed_for_one(written: Sequence[str] | None, source: Path) -> tuple[ConfirmedInterval, ...]:
    """The same for a run: frames are those of one video, so ``source`` must be a file."""
    if written and not source.is_file():
        raise typer.BadParameter("is for one video: name the file, not its folder", param_hint="--interval")
    return confirmed_intervals(written)


def _interval(text: str) -> ConfirmedInterval:
    form = _FORM.fullmatch(text.replace(" ", ""))
    if form is None:
        raise typer.BadParameter(f"'{text}' is not START-END=in or START-END=out", param_hint="--interval")
    start, end, where = form.groups()
    where = "in_body" if where == "in" else "out_of_body"
    try:
        return ConfirmedInterval.model_validate({"start_frame": int(start), "end_frame": int(end), "where": where})
    except ValidationError:
        raise typer.BadParameter("ends before it starts", param_hint="--interval") from None
