"""What a batch file asks for: a JSON list of requests, of which a bad one does not stop the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.frames_work import FrameDesk, as_wish
from opendrape.domain.frames import FrameState
from opendrape.errors import CatalogueUnavailable, OpenDrapeError


def run_batch(desk: FrameDesk, file: Path) -> ExitCode:
    """One after the other; every entry is told by its place in the list."""
    entries = _entries(file)
    results = [_one(desk, number, entry) for number, entry in enumerate(entries, start=1)]
    good = sum(result["success"] for result in results)
    desk.terminal.say(f"{good} successful, {len(results) - good} failed")
    desk.terminal.result({"successful": good, "failed": len(results) - good, "entries": results})
    return ExitCode.DELIVERED if good == len(results) else ExitCode.FAILED


def _entries(file: Path) -> list[Any]:
    try:
        entries = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter("the batch file is not JSON", param_hint="--batch-file") from error
    if not isinstance(entries, list):
        raise typer.BadParameter("the batch file must hold a list", param_hint="--batch-file")
    return entries


def _one(desk: FrameDesk, number: int, entry: Any) -> dict[str, Any]:
    try:
        told = _done(desk, entry)
    except CatalogueUnavailable:
        raise
    except OpenDrapeError as error:
        told = {"success": False, "reason": error.reason, "error": str(error)}
    word = "ok" if told["success"] else f"failed: {told.get('error') or told.get('reason')}"
    desk.terminal.say(f"entry {number}: {told.get('request_id', '-')} {word}")
    return {"entry": number, **told}


def _done(desk: FrameDesk, entry: Any) -> dict[str, Any]:
    asked = entry if isinstance(entry, dict) else {}
    request = desk.ask(
        as_wish(
            asked.get("video_id"),
            asked.get("segment_ids"),
            asked.get("anonymization_level"),
            asked.get("output_format"),
        )
    )
    if asked.get("async") is not True:
        request = desk.work_off(request)
    success = asked.get("async") is True or request.state is FrameState.COMPLETED
    return {
        "success": success,
        "request_id": request.request_id,
        "status": str(request.state),
        "reason": request.reason,
    }
