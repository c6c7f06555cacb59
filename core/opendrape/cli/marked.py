"""How is a region that somebody marked written on the command line? ``X,Y,WIDTH,HEIGHT[@START-END]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import ValidationError

from opendrape.domain.regions import MarkedRegion

Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        help="Marked region in pixels of the stored picture, X,Y,WIDTH,HEIGHT[@START-END] (frames from START up to,"
        " not with, END). Give it as often as needed; any policy masks it.",
    ),
]
_FORM = re.compile(r"(\d+),(\d+),(\d+),(\d+)(?:@(\d+)-(\d+)?)?")


def marked_regions(written: Sequence[str] | None) -> tuple[MarkedRegion, ...]:
    """The regions as data; ``typer.BadParameter`` (a usage error) for anything else."""
    return tuple(_region(text) for text in written or ())


def _region(text: str) -> MarkedRegion:
    form = _FORM.fullmatch(text.replace(" ", ""))
    if form is None:
        raise typer.BadParameter(f"'{text}' is not X,Y,WIDTH,HEIGHT[@START-END]", param_hint="--region")
    x, y, width, height, start, end = (int(part) if part else None for part in form.groups())
    if end is not None and start is not None and end <= start:
        raise typer.BadParameter("ends before it starts", param_hint="--region")
    try:
        return MarkedRegion.model_validate(
            {"x": x, "y": y, "width": width, "height": height, "start_frame": start or 0, "end_frame": end}
        )
    except ValidationError:
        raise typer.BadParameter("a region is at least one pixel wide and high", param_hint="--region") from None
