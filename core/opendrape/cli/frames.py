"""``opendrape frames``: which masked frames of which segments, how far is that, and what did it take (source B)?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from opendrape.bootstrap import Container, bootstrap
from opendrape.cli.actor import existing_catalogue
from opendrape.cli.configuration import AsJson, Quiet, StateDir, load_settings
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.frames_batch import run_batch
from opendrape.cli.frames_told import list_requests, show_statistics, show_status
from opendrape.cli.frames_work import FrameDesk, as_wish
from opendrape.cli.terminal import Terminal
from opendrape.errors import NotFound
from opendrape.ledger.frame_cleaning import clean_expired
from opendrape.logging import configure

_HINT = (
    "say what to do: --video-id with --segment-ids, --batch-file, --status, --list-requests, --statistics "
    "or --cleanup-expired"
)

VideoId = Annotated[str | None, typer.Option("--video-id", help="The video's pseudonym or number.")]
SegmentIds = Annotated[str | None, typer.Option("--segment-ids", help='Segments of that video: "1,2,3".')]
Level = Annotated[str | None, typer.Option("--anonymization-level", help="Policy (OPENDRAPE_FRAMES__DEFAULT_LEVEL).")]
Format = Annotated[str | None, typer.Option("--output-format", help="jpg, png or webp.")]
Async = Annotated[bool, typer.Option("--async", help="Only ask; `opendrape serve` does the work.")]
Status = Annotated[str | None, typer.Option("--status", help="Show this request.")]
ListAll = Annotated[bool, typer.Option("--list-requests", help="The newest 20 requests.")]
Statistics = Annotated[bool, typer.Option("--statistics", help="Figures; with --video-id of one video.")]
CleanUp = Annotated[bool, typer.Option("--cleanup-expired", help="Remove expired tokens and results.")]
Batch = Annotated[Path | None, typer.Option("--batch-file", exists=True, dir_okay=False, help="JSON list of requests.")]
Output = Annotated[Path | None, typer.Option("--output", dir_okay=False, help="New file for the ZIP.")]


def frames(
    video_id: VideoId = None,
    segment_ids: SegmentIds = None,
    anonymization_level: Level = None,
    output_format: Format = None,
    run_async: Async = False,
    status: Status = None,
    list_all: ListAll = False,
    statistics: Statistics = False,
    cleanup_expired: CleanUp = False,
    batch_file: Batch = None,
    output: Output = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Masked frames of segments as a ZIP. Of several acts the first of this order is done: clean-up, statistics,
    status, list, batch, one request.
    """
    terminal = Terminal(as_json=as_json, quiet=quiet)
    settings = load_settings(state_dir=state_dir)
    existing_catalogue(settings)
    if "level" not in settings.log.model_fields_set:
        configure(settings.log.model_copy(update={"level": "warning"}))
    container = bootstrap(settings, notice=terminal.notice)
    with container.resources:
        desk = FrameDesk(container, terminal)
        if cleanup_expired:
            show_cleaned(container, terminal)
        elif statistics:
            show_statistics(container, terminal, _asset_of(container, video_id))
        elif status is not None:
            raise typer.Exit(_status(desk, status, output))
        elif list_all:
            list_requests(container, terminal, _asset_of(container, video_id))
        elif batch_file is not None:
            raise typer.Exit(run_batch(desk, batch_file))
        elif video_id is not None and segment_ids is not None:
            wish = as_wish(video_id, segment_ids, anonymization_level, output_format)
            raise typer.Exit(desk.one(wish, run_async=run_async, output=output))
        else:
            raise typer.BadParameter(_HINT)


def show_cleaned(container: Container, terminal: Terminal) -> None:
    """Clean up and say what went."""
    gone = clean_expired(container)
    terminal.say(f"removed: {gone.tokens} tokens, {gone.results} results, {gone.orphans} files that nobody knew")
    terminal.result({"tokens": gone.tokens, "results": gone.results, "orphans": gone.orphans})


def _status(desk: FrameDesk, request_id: str, output: Path | None) -> ExitCode:
    request = desk.container.frames.request(request_id)
    show_status(desk.terminal, desk.service, request)
    if output is not None:
        desk.save(request, output)
    return desk.code_of(request)


def _asset_of(container: Container, video_id: str | None) -> str | None:
    if video_id is None:
        return None
    asset_id = container.segments.asset_numbered(int(video_id)) if video_id.isdecimal() else video_id
    if asset_id is None:
        raise NotFound("no such video")
    return container.catalogue.asset(asset_id).asset_id
