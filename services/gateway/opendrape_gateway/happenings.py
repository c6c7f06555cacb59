"""How a client learns how far a video is: by asking, or by an event stream that goes on where it broke (H-02)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from opendrape.domain.reasons import REASONS
from opendrape.domain.states import API_NAMES, AssetState
from opendrape.domain.work import Asset
from opendrape.ports.clock import Clock
from opendrape.ports.video_shelf import Standing, VideoEvent
from opendrape.settings import DoorSettings
from opendrape_gateway.desk import Desk
from opendrape_gateway.schemas import VideoState
from opendrape_gateway.shared_look import Look, SharedLook
from opendrape_gateway.videos import progress_of

_BATCH = 100
_LEAST_TO_JUDGE = 0.05
_BEFORE_MASKING = 0.02
_OVER = frozenset({"completed", "failed", "cancelled", "quarantined"})
_STATES = {f"asset.{state}": state for state in AssetState}


class Progress(BaseModel):
    """How far a video is."""

    model_config = ConfigDict(frozen=True)

    state: VideoState
    progress: float = Field(ge=0, le=1, description="1.0 exactly when completed")
    frames: int | None = Field(description="frames of the video; null until it was probed")
    frames_masked: int = Field(description="frames in finished pieces")
    eta_seconds: float | None = Field(description="expected time until completed; null while nobody can say")
    reason: str | None = Field(description="why it is there, as a slug")


class Happening(BaseModel):
    """One change of a video's state."""

    model_config = ConfigDict(frozen=True)

    id: int = Field(description="rises with time within one video")
    at: datetime
    state: VideoState
    internal_state: AssetState
    reason: str | None

    @classmethod
    def of(cls, event: VideoEvent) -> Happening | None:
        """The event in the API's form; None for one that is no change of state."""
        state = _STATES.get(event.action)
        if state is None:
            return None
        reason = event.reason if event.reason is None or event.reason in REASONS else "other"
        return cls(
            id=event.event_id, at=event.at, state=VideoState(API_NAMES[state]), internal_state=state, reason=reason
        )


class Timeline(BaseModel):
    """What happened to a video, oldest first."""

    model_config = ConfigDict(frozen=True)

    events: list[Happening]
    next_after: int | None = Field(description="value of `after` for what comes next; null when this is all")


def progress(asset: Asset, standing: Standing, clock: Clock) -> Progress:
    """How far it is now."""
    share = progress_of(asset, standing)
    reason = asset.reason if asset.reason is None or asset.reason in REASONS else "other"
    return Progress(
        state=VideoState(API_NAMES[asset.state]),
        progress=share,
        frames=standing.frames or None,
        frames_masked=standing.frames_kept,
        eta_seconds=_eta(asset, share, clock),
        reason=reason,
    )


def timeline(desk: Desk, asset: Asset, *, after: int, limit: int) -> Timeline:
    """A page of what happened."""
    found = desk.container.door.videos.events(asset.asset_id, after=after, limit=limit)
    shown = [happening for event in found if (happening := Happening.of(event))]
    return Timeline(events=shown, next_after=found[-1].event_id if len(found) == limit else None)


def is_over(asset: Asset) -> bool:
    """True when nothing more happens by itself."""
    return API_NAMES[asset.state] in _OVER


def _eta(asset: Asset, share: float, clock: Clock) -> float | None:
    """By the pace since masking began; the start is too short to judge by."""
    if asset.state is not AssetState.MASKING or share < _LEAST_TO_JUDGE:
        return None
    passed = max(0.0, (clock.now() - asset.updated_at).total_seconds())
    return round(passed * (1.0 - share) / (share - _BEFORE_MASKING), 1)


@dataclass
class StreamSlots:
    """How many streams are open in this process; one more than ``most`` is refused."""

    most: int
    _open: int = field(default=0, init=False)

    def take(self) -> bool:
        """True when there was room. Called on the event loop only, so nothing comes between look and act."""
        if self._open >= self.most:
            return False
        self._open += 1
        return True

    def give_back(self) -> None:
        """The stream is closed."""
        self._open -= 1


@dataclass
class EventStream:
    """The events of one video as server-sent events: ``state`` with ids to resume from, ``progress`` without, ``end``.

    A stream ends when the video's journey is over, the client goes, the server stops, or the video is in none of the
    states ``shown_while`` any more (None: whatever its state).
    """

    desk: Desk
    asset_id: str
    after: int
    rules: DoorSettings
    stopping: threading.Event
    shared: SharedLook
    shown_while: frozenset[AssetState] | None = None
    _looked_at: Look | None = field(default=None, init=False)
    _shown: str = field(default="", init=False)
    _silent_since: float = field(default=0.0, init=False)

    async def lines(self, request: Request) -> AsyncIterator[bytes]:
        """What is sent."""
        loop = asyncio.get_running_loop()
        self._silent_since = loop.time()
        yield b"retry: 3000\n\n"
        with self.shared.watching(self.asset_id):
            look = await self.shared.now(self.asset_id)
            while look and not self.stopping.is_set() and not await request.is_disconnected():
                news, over = await self._news(look)
                for line in news:
                    yield line
                if over:
                    yield b"event: end\ndata: {}\n\n"
                    return
                if comment := self._comment(bool(news), loop.time):
                    yield comment
                look = await self.shared.next(self.asset_id)

    def _comment(self, is_news: bool, now: Callable[[], float]) -> bytes:
        if is_news:
            self._silent_since = now()
        if now() - self._silent_since < self.rules.event_comment_seconds:
            return b""
        self._silent_since = now()
        return b": still here\n\n"

    async def _news(self, look: Look) -> tuple[list[bytes], bool]:
        """Events are asked for when anything was told of the video, or its row changed: what ended it is among them."""
        before, self._looked_at = self._looked_at, look
        if self.shown_while is not None and look.glance.asset.state not in self.shown_while:
            return [], True
        if look == before:
            return [], False
        lines: list[bytes] = []
        if before is None or look.glance != before.glance:
            lines, has_more = await asyncio.to_thread(self._events)
            self._looked_at = None if has_more else look
        now = progress(look.glance.asset, look.standing, self.desk.container.clock)
        shown = now.model_dump_json(exclude={"eta_seconds"})  # which changes all the time
        if shown != self._shown:
            lines.append(f"event: progress\ndata: {now.model_dump_json()}\n\n".encode())
            self._shown = shown
        return lines, is_over(look.glance.asset) and self._looked_at is not None

    def _events(self) -> tuple[list[bytes], bool]:
        """What is new, and whether there may be more of it."""
        found = self.desk.container.door.videos.events(self.asset_id, after=self.after, limit=_BATCH)
        self.after = found[-1].event_id if found else self.after
        return [line for event in found if (line := _state_line(event))], len(found) == _BATCH


def _state_line(event: VideoEvent) -> bytes | None:
    happening = Happening.of(event)
    if happening is None:
        return None
    told = json.dumps(happening.model_dump(mode="json"), separators=(",", ":"))
    return f"id: {event.event_id}\nevent: state\ndata: {told}\n\n".encode()
