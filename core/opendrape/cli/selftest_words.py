"""How is the result of a self-test told to a person?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

if TYPE_CHECKING:
    from opendrape_masker.selftest.verdicts import EventVerdict, SelfTest, Tally

_CLASSES = (("size", "size, px"), ("look", "look"), ("course", "course"))
_MOST_MISSES = 20


def told(result: SelfTest) -> Iterator[RenderableType]:
    """Tables by class, then what was missed, then the verdict."""
    for kind in ("face", "text"):
        events = [event for event in result.events if event.kind == kind and event.counts]
        if events:
            yield _table(f"{kind}: recall over what the policy promises", events)
    apart = [event for event in result.events if not event.promised]
    if apart:
        yield _table("measured apart: shorter than max_gap_seconds, or below the smallest size", apart)
    if lucky := sum(event.promised and not event.counts for event in result.events):
        yield f"{lucky} more left out: covered where the picture is masked without them as well"
    yield from _misses([event for event in result.events if event.promised and not event.found])
    for clip in result.clips:
        survived = ", ".join(clip.surviving_identities) or "none"
        yield (
            f"clip {clip.clip}: planted strings in the bytes: {survived}; "
            f"streams with sound: {clip.surviving_audio_streams}; "
            f"second look: {clip.residual_findings} left, {clip.remasked_rounds} rounds of masking again; "
            f"masked elsewhere: {clip.masked_elsewhere:.1%}"
        )
    yield from (f"FAILED: {failure}" for failure in result.failures)
    if not result.failures:
        yield f"passed: {_share(result.counted)} under policy '{result.policy}'"


def _table(title: str, events: list[EventVerdict]) -> Table:
    from opendrape_masker.selftest.verdicts import by_class, tally

    table = Table(title=title, title_justify="left")
    for heading in ("class", "value", "events", "frames"):
        table.add_column(heading)
    for field, heading in _CLASSES:
        for name, counted in by_class(events, field).items():
            table.add_row(heading, name, _count(counted), _frames(counted))
    whole = tally(events)
    table.add_row("all", "", _count(whole), _frames(whole), style="bold")
    return table


def _misses(events: list[EventVerdict]) -> Iterator[str]:
    for event in events[:_MOST_MISSES]:
        frames = ", ".join(str(frame) for frame in event.missed_frames[:6])
        more = " ..." if event.frames - event.covered > 6 else ""
        yield (
            f"missed: {event.kind} {event.size} px, {event.look}, {event.course}: "
            f"{event.frames - event.covered} of {event.frames} frames open ({frames}{more})"
        )
    if len(events) > _MOST_MISSES:
        yield f"... and {len(events) - _MOST_MISSES} more; --json lists all"


def _share(counted: Tally) -> str:
    return f"{counted.events_found} of {counted.events} events, {counted.frames_covered} of {counted.frames} frames"


def _count(counted: Tally) -> str:
    return f"{counted.events_found}/{counted.events} ({counted.event_recall or 0:.3f})"


def _frames(counted: Tally) -> str:
    return f"{counted.frames_covered}/{counted.frames} ({counted.frame_recall or 0:.3f})"
