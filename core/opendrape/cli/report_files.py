"""Where do the reports of ``mask --report`` go, and what is in them?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

import opendrape
from opendrape.adapters.private_files import create_private
from opendrape.cli.report_page import report_page
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MaskReport
from opendrape.errors import BlobConflict, UncertainOutOfBody

FORMAT = "opendrape-mask-report/1"
_MODE = 0o640

Reports = Annotated[
    list[Path] | None, typer.Option("--report", help="What was found when, as FILE.json or FILE.html; may be repeated.")
]


def report_files(paths: list[Path] | None, *, output: Path) -> tuple[Path, ...]:
    """The asked files; ``BadParameter`` for another ending, an existing file or the output itself."""
    asked = tuple(paths or ())
    for path in asked:
        if path.suffix.lower() not in {".json", ".html"}:
            raise typer.BadParameter("must end in .json or .html", param_hint="--report")
        if path.exists() or path.is_symlink() or path.absolute() == output.absolute():
            raise typer.BadParameter("is there already", param_hint="--report")
    if len({path.absolute() for path in asked}) != len(asked):
        raise typer.BadParameter("is asked for twice", param_hint="--report")
    return asked


def write_reports(paths: tuple[Path, ...], report: MaskReport, policy: Policy) -> None:
    """Write each file, whole or not at all. ``BlobConflict`` when one has appeared meanwhile."""
    facts = report_facts(report, policy)
    for path in paths:
        content = report_page(facts) if path.suffix.lower() == ".html" else json.dumps(facts, indent=2, sort_keys=True)
        if not create_private(path.absolute(), (content + "\n").encode(), mode=_MODE):
            raise BlobConflict("a report is already there; name another file")


@contextmanager
def held_back(paths: tuple[Path, ...], policy: Policy) -> Iterator[Callable[[MaskReport], None]]:
    """Yields what hears of the masks; they are written down also when a person must decide before delivery."""
    heard: list[MaskReport] = []
    try:
        yield heard.append
    except UncertainOutOfBody:
        for report in heard:
            write_reports(paths, report, policy)
        raise


def report_facts(report: MaskReport, policy: Policy) -> dict[str, Any]:
    """The report with policy and software; no name, path or text of the source."""
    return {
        "format": FORMAT,
        "software": f"opendrape {opendrape.__version__}",
        "policy": policy.reference.model_dump(mode="json") | {"summary": policy.summary},
        "report": report.model_dump(mode="json"),
    }
