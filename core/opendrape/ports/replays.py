"""Which answers were given under an Idempotency-Key, so that the same request is not acted upon twice (H-04)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was sent: status, some headers, the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Reservation(StrEnum):
    """What became of a try to reserve a key."""

    MINE = "mine"  # act, then keep or release
    RUNNING = "running"  # somebody else acts on it now
    REUSED = "reused"  # it was used for another request


class Replays(Protocol):
    """``replay_id`` names caller, route and key by a digest; nothing a client wrote is kept in clear.

    Of any number of callers that reserve at once exactly one gets ``MINE``. A reservation whose holder died is free
    again after ``hold_seconds``; the act must bear being done twice then.
    """

    def reserve(
        self, replay_id: str, *, fingerprint: str, holder: str, hold_seconds: float, keep_seconds: float
    ) -> Reservation | StoredAnswer:
        """Reserve, or the answer that was given to the same request before."""

    def keep(self, replay_id: str, *, holder: str, answer: StoredAnswer) -> None:
        """Keep the answer; nothing happens when the reservation was lost."""

    def release(self, replay_id: str, *, holder: str) -> None:
        """Give the key back: the request was not acted upon."""

    def forget_expired(self) -> int:
        """Remove rows whose time is over; returns how many."""
