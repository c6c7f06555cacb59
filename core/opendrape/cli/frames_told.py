"""What does the command line tell about requests for frames: one, the newest, all in figures?"""

from __future__ import annotations

from typing import Any, Final

from opendrape.bootstrap import Container
from opendrape.cli.terminal import Terminal
from opendrape.domain.frames import FrameRequest
from opendrape.domain.reasons import explain
from opendrape.ledger.frame_service import FrameService
from opendrape.ports.frames import FrameFilter

NEWEST: Final = 20


def show_status(terminal: Terminal, service: FrameService, request: FrameRequest) -> None:
    """One request."""
    remaining = service.remaining_seconds(request)
    terminal.say(f"{request.request_id}  {request.state}  {request.processed_frames}/{request.total_frames} frames")
    if request.reason:
        terminal.say(f"reason: {explain(request.reason)}")
    if remaining:
        terminal.say(f"about {remaining:.0f} s left")
    terminal.result(_facts(request) | {"estimated_remaining_time": remaining})


def list_requests(container: Container, terminal: Terminal, asset_id: str | None) -> None:
    """The newest, and how many more there are."""
    which = FrameFilter(asset_id=asset_id, limit=NEWEST)
    found, count = container.frames.requests(which), container.frames.count(which)
    for request in found:
        done = f"{request.processed_frames}/{request.total_frames}"
        terminal.say(f"{request.request_id}  {request.state:11}  {done:>11}  {request.created_at:%Y-%m-%d %H:%M:%S}")
    if count > len(found):
        terminal.say(f"... and {count - len(found)} more")
    if not count:
        terminal.say("no requests")
    terminal.result({"count": count, "requests": [_facts(request) for request in found]})


def show_statistics(container: Container, terminal: Terminal, asset_id: str | None) -> None:
    """Figures of all requests, or of one video's."""
    figures = container.frames.figures(asset_id)
    by_state = {str(state): number for state, number in figures.by_state.items()}
    terminal.say(f"requests: {sum(by_state.values())}")
    for state, number in by_state.items():
        terminal.say(f"  {state:12} {number}")
    mean = "none yet" if figures.mean_seconds is None else f"{figures.mean_seconds:.1f} s"
    terminal.say(f"frames written: {figures.frames_written}; mean time of a request: {mean}")
    terminal.say(f"results kept: {figures.stored_bytes} bytes; live tokens: {figures.live_tokens}")
    terminal.result(
        {
            "by_state": by_state,
            "frames_written": figures.frames_written,
            "mean_seconds": figures.mean_seconds,
            "stored_bytes": figures.stored_bytes,
            "live_tokens": figures.live_tokens,
            "workers": figures.workers,
        }
    )


def _facts(request: FrameRequest) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "status": str(request.state),
        "reason": request.reason,
        "video_id": request.asset_id,
        "segment_ids": [one.segment_id for one in request.segments],
        "anonymization_level": request.policy.name,
        "output_format": request.picture_format,
        "total_frames": request.total_frames,
        "processed_frames": request.processed_frames,
        "created_at": request.created_at.isoformat(),
        "started_at": request.started_at.isoformat() if request.started_at else None,
    }
