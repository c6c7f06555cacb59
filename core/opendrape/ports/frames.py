"""Who asked for which frames, how far that is, and who may fetch the result once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opendrape.domain.frames import FrameArchive, FrameFigures, FramePulse, FrameRequest, FrameState, NewFrames


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """Which requests to list, newest first. ``owner`` None: everybody's."""

    owner: str | None = None
    asset_id: str | None = None
    state: FrameState | None = None
    limit: int = 20
    offset: int = 0


class FrameRequests(Protocol):
    """One transaction per call; every change appends an audit event. A database that does not answer raises
    ``CatalogueUnavailable``. The work itself is an item of the ledger, whose end also ends the request.
    """

    def start(self, new: NewFrames, *, limit: int, actor: str) -> FrameRequest:
        """Keep the request and queue its work item.

        ``IllegalTransition`` (``same_work``) while the owner's same work is open; ``LimitReached`` when the owner has
        ``limit`` open requests. Of simultaneous starts of the same work exactly one wins: an index of the database
        decides.
        """

    def request(self, request_id: str) -> FrameRequest:
        """``NotFound`` when unknown."""

    def of_item(self, number: int) -> FrameRequest:
        """The request behind a work item's ``chunk``. ``NotFound`` when unknown."""

    def requests(self, which: FrameFilter = FrameFilter()) -> Sequence[FrameRequest]:
        """A page, newest first."""

    def count(self, which: FrameFilter = FrameFilter()) -> int:
        """How many match, whatever page was asked for."""

    def cancel(self, request_id: str, *, actor: str) -> FrameRequest:
        """End an open request and its work item; whoever works on it finds the lease stale.

        ``NotFound`` when unknown, ``IllegalTransition`` when it has ended.
        """

    # -- download tokens --------------------------------------------------------------------------------------------
    def add_token(self, request_id: str, token_sha256: str, *, expires_at: datetime, actor: str) -> None:
        """Keep a token's digest, never the token."""

    def redeem(self, request_id: str, token_sha256: str, *, actor: str) -> FrameRequest:
        """Use a token up by one atomic update: of any number of callers exactly one succeeds.

        ``NotFound`` for another request's or an unknown token; ``LinkExpired`` when used or too old.
        """

    # -- clean-up ---------------------------------------------------------------------------------------------------
    def expire_tokens(self) -> int:
        """Remove tokens that are used or too old; how many."""

    def expire_archives(self, *, before: datetime, actor: str) -> Sequence[FrameArchive]:
        """Forget the results of requests that ended before a time; their bytes may go then."""

    def is_wanted(self, blob_name: str) -> bool:
        """True when a row refers to the archive, or when its request is still being worked on."""

    # -- figures ----------------------------------------------------------------------------------------------------
    def seconds_per_frame(self, level: str) -> float | None:
        """Measured on the latest requests that ended well, at this level if there are any; None without any."""

    def pulse(self) -> FramePulse:
        """What the service's health says; asked often."""

    def figures(self, asset_id: str | None = None) -> FrameFigures:
        """Of everything, or of one video. Workers are those that were there in the last two minutes."""

    def here(self, worker: str, *, slots: int) -> None:
        """A process that does this work says that it is there."""
