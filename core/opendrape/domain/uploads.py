"""What an upload is while it is on its way in, and which states it can be in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from opendrape.errors import IllegalTransition

UPLOAD_PREFIX: Final = "up-"
REGISTRATION_PREFIX: Final = "rg-"
"""How the id begins when no bytes are sent: they lie in the storage of originals already."""
REGISTRATION_ID: Final = rf"{REGISTRATION_PREFIX}[0-9a-f]{{32}}"


def place_of(registration_id: str) -> str:
    """Under what the key map remembers which original a registration names, until it is settled."""
    return f"registration://{registration_id}"


class UploadState(StrEnum):
    """Where one upload is."""

    RECEIVING = "receiving"  # bytes are missing
    COMPLETE = "complete"  # every byte is durable; ingest takes it up
    REGISTERED = "registered"  # a video of the catalogue
    REFUSED = "refused"  # not a video, or not the content that was announced
    TERMINATED = "terminated"  # its owner gave it up
    EXPIRED = "expired"  # it was left lying


_U = UploadState
UPLOAD_TRANSITIONS: Final = MappingProxyType(
    {
        _U.RECEIVING: frozenset({_U.COMPLETE, _U.TERMINATED, _U.EXPIRED}),
        _U.COMPLETE: frozenset({_U.REGISTERED, _U.REFUSED}),
        _U.REGISTERED: frozenset(),
        _U.REFUSED: frozenset(),
        _U.TERMINATED: frozenset(),
        _U.EXPIRED: frozenset(),
    }
)
WITHOUT_BYTES: Final = frozenset({_U.REFUSED, _U.TERMINATED, _U.EXPIRED})
"""States in which the bytes are not needed any more."""


def check_upload_transition(before: UploadState, after: UploadState) -> None:
    """``IllegalTransition`` unless the table allows it."""
    if after not in UPLOAD_TRANSITIONS[before]:
        raise IllegalTransition(f"upload: {before} -> {after}")


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. ``offset`` bytes are durable; ``epoch`` rises with every connection that takes it over.

    The name the file had at its sender is not here: it is in the key map, encrypted, and nowhere else.
    """

    upload_id: str
    owner: str
    state: UploadState
    length: int
    offset: int
    epoch: int
    policy_name: str
    declared_sha256: str | None
    asset_id: str | None
    reason: str | None
    created_at: datetime
    expires_at: datetime
