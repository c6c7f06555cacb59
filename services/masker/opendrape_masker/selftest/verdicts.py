"""What became of inserted identities: per event, per class, and whether that is enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

MOST_FRAMES_LISTED = 20


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventVerdict(_Facts):
    """One continuous appearance. It is lost as soon as one of its frames is not covered."""

    name: str
    kind: str = Field(description="face or text")
    look: str
    course: str
    size: str = Field(description="size class in pixels: hair line to chin, or height of capitals")
    tall: float = Field(description="height in the middle of the appearance, in pixels as for the class")
    start_frame: int
    frames: int = Field(description="frames on which at least half of it is inside the picture")
    covered: int = Field(description="of these, frames on which at least 90 % of its box is masked")
    missed_frames: tuple[int, ...] = Field(default=(), description="the first of those that are not covered")
    promised: bool = Field(description="long enough for the policy's max_gap_seconds, and not below the smallest size")

    lucky: bool = Field(default=False, description="its place was masked long before or after it as well")

    @property
    def found(self) -> bool:
        """Covered on every frame."""
        return self.covered == self.frames

    @property
    def counts(self) -> bool:
        """Promised, and not found by luck; what was missed counts, however its place looked at other times."""
        return self.promised and not (self.lucky and self.found)


class ClipVerdict(_Facts):
    """One masked self-test video."""

    clip: str = Field(description="a number or the word generated, never a name")
    seed: int
    width: int
    height: int
    frames: int
    events: tuple[EventVerdict, ...]
    masked_elsewhere: float = Field(description="mean share of the picture masked away from what is inserted just then")
    surviving_identities: tuple[str, ...] = Field(default=(), description="kinds of planted strings found in the bytes")
    surviving_audio_streams: int = 0
    residual_findings: int = 0
    remasked_rounds: int = 0
    quarantined: str | None = Field(default=None, description="reason when the engine refused to hand anything out")


class Tally(_Facts):
    """Events and frames of one class."""

    events: int = 0
    events_found: int = 0
    frames: int = 0
    frames_covered: int = 0

    @property
    def event_recall(self) -> float | None:
        """None without events."""
        return self.events_found / self.events if self.events else None

    @property
    def frame_recall(self) -> float | None:
        """None without frames."""
        return self.frames_covered / self.frames if self.frames else None


class Thresholds(_Facts):
    """What a self-test must reach, over the promised events of all clips."""

    event_recall: float = Field(default=0.995, ge=0, le=1)
    frame_recall: float = Field(default=0.995, ge=0, le=1)


class SelfTest(_Facts):
    """The whole result."""

    format: str = "opendrape-selftest/1"
    policy: str
    policy_digest: str
    thresholds: Thresholds
    clips: tuple[ClipVerdict, ...]

    @property
    def events(self) -> tuple[EventVerdict, ...]:
        """Of all clips."""
        return tuple(event for clip in self.clips for event in clip.events)

    @property
    def counted(self) -> Tally:
        """What the thresholds are held against."""
        return tally(event for event in self.events if event.counts)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the test is not passed; empty: passed."""
        return tuple(_failures(self))


def tally(events: Iterable[EventVerdict]) -> Tally:
    """Add up."""
    listed = list(events)
    return Tally(
        events=len(listed),
        events_found=sum(event.found for event in listed),
        frames=sum(event.frames for event in listed),
        frames_covered=sum(event.covered for event in listed),
    )


def by_class(events: Sequence[EventVerdict], field: str) -> dict[str, Tally]:
    """Tallies by ``look``, ``course`` or ``size``, for one kind of events, sorted as sizes or words."""
    names = sorted({str(getattr(event, field)) for event in events}, key=_by_number)
    return {name: tally(event for event in events if str(getattr(event, field)) == name) for name in names}


def _by_number(name: str) -> tuple[int, str]:
    low = name.partition("-")[0]
    return (int(low) if low.isdigit() else 0), name


def _failures(test: SelfTest) -> Iterable[str]:
    counted = test.counted
    if not counted.events and not any(clip.quarantined for clip in test.clips):
        yield "no event was judged"
    if counted.event_recall is not None and counted.event_recall < test.thresholds.event_recall:
        yield f"events covered on every frame: {counted.event_recall:.4f} of {test.thresholds.event_recall:g}"
    if counted.frame_recall is not None and counted.frame_recall < test.thresholds.frame_recall:
        yield f"frames covered: {counted.frame_recall:.4f} of {test.thresholds.frame_recall:g}"
    for clip in test.clips:
        yield from _clip_failures(clip)


def _clip_failures(clip: ClipVerdict) -> Iterable[str]:
    if clip.quarantined:
        yield f"clip {clip.clip}: nothing was handed out ({clip.quarantined}), so nothing could be judged"
    if clip.surviving_identities:
        yield f"clip {clip.clip}: planted strings survive in the bytes: {', '.join(clip.surviving_identities)}"
    if clip.surviving_audio_streams:
        yield f"clip {clip.clip}: speech survives in {clip.surviving_audio_streams} streams"
    if clip.residual_findings:
        yield f"clip {clip.clip}: the second look still finds {clip.residual_findings} things"
