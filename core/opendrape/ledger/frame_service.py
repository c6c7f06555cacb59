"""What can be done with requests for frames, whoever asks: the HTTP door and the command line use the same."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from opendrape.domain.frames import FrameArchive, FrameRequest, FrameState, NewFrames
from opendrape.domain.policy import Policy
from opendrape.errors import IllegalTransition, LinkExpired
from opendrape.ledger.frame_wishes import Levels, WishReader
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.frames import FrameRequests
from opendrape.ports.segments import Segments
from opendrape.settings import Settings

TOKEN_BYTES = 32
OF_THE_VIDEO = ("device", "marked")
"""Fields of a policy that say where something is in this very video; a frame of it hides the same."""

_LONGEST_TOKEN = 128


class FrameServiceParts(Protocol):
    """What is needed of the container."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def frames(self) -> FrameRequests: ...
    @property
    def segments(self) -> Segments: ...
    @property
    def policies(self) -> Levels: ...


@dataclass(frozen=True, slots=True)
class Token:
    """A right to download once. ``text`` is shown once and kept nowhere."""

    text: str
    expires_at: datetime


@dataclass(frozen=True)
class FrameService:
    """Stateless: everything is in the database."""

    parts: FrameServiceParts

    def start(
        self, wish: object, *, owner: str, actor: str, sees: Callable[[str], bool] = lambda _asset_id: True
    ) -> FrameRequest:
        """Take a wish as a client wrote it (``video_id``, ``segment_ids``, ``anonymization_level``, ``output_format``).

        ``FramesRefused`` with every fault, ``IllegalTransition`` (``same_work``), ``LimitReached``.
        """
        parts, limits = self.parts, self.parts.settings.frames
        read = WishReader(parts.catalogue, parts.segments, parts.policies, limits, sees).read(wish)
        policy = self._policy(read.level, read.asset_id)
        parts.policies.remember(policy)
        new = NewFrames(
            request_id=str(uuid.uuid4()),
            owner=owner,
            asset_id=read.asset_id,
            policy=policy.reference,
            picture_format=read.picture_format,
            segments=read.segments,
        )
        return parts.frames.start(new, limit=limits.max_open_requests, actor=actor)

    def _policy(self, level: str, asset_id: str) -> Policy:
        """The level's policy with what belongs to the video itself, at every level: its device profile, its marks.

        ``PolicyInvalid`` when the video's own policy is not known any more: what must be hidden would not be known.
        """
        policy = self.parts.policies.get(level)
        own = self.parts.policies.by_reference(self.parts.catalogue.asset(asset_id).policy)
        of_the_video = {name: getattr(own, name) for name in OF_THE_VIDEO}
        kept = {name: value for name, value in of_the_video.items() if value and not getattr(policy, name)}
        return policy.model_copy(update=kept)

    # -- estimates --------------------------------------------------------------------------------------------------
    def estimated_seconds(self, request: FrameRequest) -> float | None:
        """For the whole request: by the pace of requests that ended, else by that of masking this very video.

        None while nothing was ever measured.
        """
        pace = self.parts.frames.seconds_per_frame(request.policy.name)
        if pace is None:
            pace = self._pace_of_masking(request)
        return None if pace is None else round(pace * request.total_frames, 1)

    def remaining_seconds(self, request: FrameRequest) -> float | None:
        """Until it ends; 0 once it has."""
        if request.state is FrameState.PENDING:
            return self.estimated_seconds(request)
        if request.state is not FrameState.PROCESSING or request.started_at is None:
            return 0.0
        elapsed = (self.parts.clock.now() - request.started_at).total_seconds()
        if request.share_done > 0:
            return round(elapsed * (1 - request.share_done) / request.share_done, 1)
        estimated = self.estimated_seconds(request)
        return None if estimated is None else round(max(0.0, estimated - elapsed), 1)

    def _pace_of_masking(self, request: FrameRequest) -> float | None:
        reports = self.parts.catalogue.chunk_reports(request.asset_id, request.policy.digest)
        frames = sum(report.frames for report in reports)
        seconds = sum(report.seconds.get(stage, 0.0) for report in reports for stage in ("render", "check"))
        return seconds / frames if frames and seconds else None

    # -- downloads --------------------------------------------------------------------------------------------------
    def new_token(self, request: FrameRequest, *, actor: str) -> Token:
        """A token for a finished request, as often as its owner asks.

        ``IllegalTransition`` (``result_not_ready``), ``LinkExpired`` (``result_expired``).
        """
        archive_of(request)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        expires_at = self.parts.clock.now() + timedelta(hours=self.parts.settings.frames.token_hours)
        self.parts.frames.add_token(request.request_id, token_digest(token), expires_at=expires_at, actor=actor)
        return Token(token, expires_at)

    def redeem(self, request: FrameRequest, token: str, *, actor: str) -> FrameArchive:
        """Use the token up; what it was for. ``NotFound``, ``LinkExpired``, and as for :meth:`new_token`."""
        archive_of(request)
        redeemed = self.parts.frames.redeem(request.request_id, token_digest(token), actor=actor)
        return archive_of(redeemed)


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token[:_LONGEST_TOKEN].encode("utf-8", "surrogatepass")).hexdigest()


def archive_of(request: FrameRequest) -> FrameArchive:
    """The result of a finished request, while it is kept."""
    if request.state is not FrameState.COMPLETED:
        raise IllegalTransition("there is nothing to download", reason="result_not_ready")
    if request.archive is None:
        raise LinkExpired("the result was cleaned up", reason="result_expired")
    return request.archive
