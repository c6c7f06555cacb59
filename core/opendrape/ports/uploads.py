"""Which uploads are on their way, how far each is, and whose videos came of them (I-01)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opendrape.domain.uploads import Upload, UploadState


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What is known when an upload begins. ``declared_sha256``: what the sender says the content is, if it does.

    ``is_here``: no byte will be sent; one ``take`` and ``advance`` at its length completes it.
    """

    upload_id: str
    owner: str
    length: int
    policy_name: str
    expires_at: datetime
    declared_sha256: str | None = None
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one owner may upload: uploads open at a time, and bytes in any 24 hours."""

    open_uploads: int
    bytes_per_day: int


class Uploads(Protocol):
    """One transaction per call; every change of state is checked against the table and appends an audit event.

    An upload is written by one connection at a time: ``take`` raises the epoch, and whoever holds an older one changes
    nothing (``IllegalTransition``, ``upload_taken_over``). ``NotFound`` for an unknown id.
    """

    def create(self, new: NewUpload, *, quota: Quota) -> Upload:
        """Begin. ``QuotaExceeded`` when it would be one too many, or too many bytes; safe against a race of two."""

    def get(self, upload_id: str) -> Upload:
        """The upload as it is."""

    def of_owner(self, owner: str, *, limit: int) -> Sequence[Upload]:
        """An owner's uploads, latest first."""

    def take(self, upload_id: str, *, offset: int) -> Upload:
        """Become the one who writes, at ``offset``. ``IllegalTransition``: ``upload_offset`` when that is not where the
        upload is, ``upload_closed`` when it is not being received, ``upload_expired`` when its time is over.
        """

    def advance(self, upload_id: str, *, epoch: int, offset: int, length: int | None = None) -> Upload:
        """Say that every byte before ``offset`` is durable; the last one makes it ``complete``. ``length`` settles a
        length that was only a bound. ``IllegalTransition`` (``upload_taken_over``) under an old epoch.
        """

    def hold(self, upload_id: str, *, epoch: int) -> None:
        """Ask whether the epoch still is the newest; ``IllegalTransition`` (``upload_taken_over``) when not."""

    def close(self, upload_id: str, after: UploadState, *, reason: str | None = None, actor: str) -> Upload:
        """Move to ``refused`` or ``terminated``. Idempotent for the state it is in."""

    def registered(self, upload_id: str, asset_id: str) -> Upload:
        """Move to ``registered`` and make the upload's owner an owner of the video, in one transaction. Idempotent."""

    def expire(self) -> Sequence[Upload]:
        """Move every upload whose time is over to ``expired``; returns them."""

    def in_states(self, states: Collection[UploadState], *, limit: int, prefix: str = "") -> Sequence[Upload]:
        """Uploads in these states whose id begins with ``prefix``, oldest first."""

    def states_of(self, upload_ids: Collection[str]) -> dict[str, UploadState]:
        """The state of each known one."""

    def outstanding_bytes(self) -> int:
        """Bytes that open uploads have announced and not yet sent."""

    def forget_before(self, moment: datetime) -> int:
        """Remove rows whose end lies before ``moment``; returns how many."""


class Owners(Protocol):
    """Who may see a video: whoever brought it. A video without an owner came from a watched folder."""

    def add(self, asset_id: str, owner: str) -> None:
        """Make somebody an owner. Idempotent."""

    def is_owner(self, asset_id: str, owner: str) -> bool:
        """True when it is theirs."""
