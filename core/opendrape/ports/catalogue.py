"""The truth about assets and work: the ledger that every service reads and writes (architecture, idea 1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from opendrape.domain.audit import AuditEvent
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import PolicyRef
from opendrape.domain.regions import MaskReport
from opendrape.domain.states import ANY_STATE, AssetState, WorkState
from opendrape.domain.work import Artefact, ArtefactKind, Asset, Chunk, Failure, Lease, Outcome, WorkItem, WorkKind


@dataclass(frozen=True, slots=True)
class NewAsset:
    """What ingest knows when it registers a content."""

    asset_id: str
    subject_id: str | None
    content_sha256: str
    size_bytes: int
    policy: PolicyRef


@dataclass(frozen=True, slots=True)
class Registration:
    """The asset as it is now; ``accepted`` is True when this call put it (back) to work."""

    asset: Asset
    accepted: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """Chunks and masked file of one asset under one policy that nobody needs any more."""

    asset_id: str
    policy_digest: str


@dataclass(frozen=True, slots=True)
class OutboxRing:
    """A ring that a committed change asked for."""

    ring_id: int
    kind: WorkKind
    item_id: int


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Which assets to list. ``after`` is the last asset id of the previous page (keyset)."""

    state: AssetState | None = None
    after: str | None = None
    limit: int = 100


class Catalogue(Protocol):
    """One transaction per call. Every change of state is checked against the table in ``domain.states``, appends an
    audit event and, where work arises, an outbox ring, in the same transaction.

    Calls that take a :class:`Lease` change nothing and raise ``StaleLease`` when the item's epoch is not the lease's,
    the item is no longer leased, or the lease ran out and was swept. A database that does not answer raises
    ``CatalogueUnavailable``. Times come from the clock given to the adapter.

    ``while_in``: whoever may act on an asset in these states alone says so, and in any other nothing is changed: what
    the caller saw may be over when the transaction begins.
    """

    # -- assets ---------------------------------------------------------------------------------------------------
    def register(self, new: NewAsset, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> Registration:
        """Register a content under a policy and queue its ``plan`` item.

        Known content with the same policy: nothing changes, ``accepted`` is False, whatever its state is.
        Known content with another policy: accepted when the asset is terminal (back to ``registered``, new items),
        otherwise, and when it is not ``while_in``, not accepted.
        """

    def retry(self, asset_id: str, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> Asset:
        """Put a failed, quarantined or cancelled asset back to ``registered``: fresh items, finished chunks are kept.

        ``IllegalTransition`` in any other state, and when it is not ``while_in``.
        """

    def deliver_again(self, asset_id: str, *, actor: str) -> Asset:
        """Bring a delivered asset to a destination that lacks it: from the masked file while the catalogue knows one
        (``delivering``), else from the source (``registered``: fresh items, finished chunks are kept).

        What was published stays recorded, so only the same bytes can be published again (``BlobConflict`` otherwise).
        ``IllegalTransition`` in any state but ``delivered``.
        """

    def retire(self, asset_id: str, after: AssetState, *, actor: str) -> Asset:
        """Say that a delivered output is to be ``archived`` or ``deleted``: nobody delivers it again. Idempotent.

        ``IllegalTransition`` where the table does not allow it. What was published stays recorded.
        """

    def cancel(self, asset_id: str, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> Asset:
        """Cancel an asset and its open items; a leased item becomes stale. ``IllegalTransition`` when terminal, and
        when it is not ``while_in``.
        """

    def asset(self, asset_id: str) -> Asset:
        """``NotFound`` when unknown."""

    def assets(self, which: AssetFilter = AssetFilter()) -> Sequence[Asset]:
        """A page of assets in id order."""

    def media_info(self, asset_id: str) -> MediaInfo | None:
        """What the probe said; None before planning."""

    def chunks(self, asset_id: str) -> Sequence[Chunk]:
        """The chunk plan in order; empty before planning."""

    def work_items(self, asset_id: str) -> Sequence[WorkItem]:
        """Every item of the journey under the asset's present policy, oldest first; none of kind ``frames``."""

    def artefacts(self, asset_id: str, policy_digest: str, kind: ArtefactKind) -> Sequence[Artefact]:
        """Stored results in chunk order. A timeline does not depend on the policy: it is found under every digest."""

    def report(self, asset_id: str, policy_digest: str) -> MaskReport | None:
        """The sum over all chunks once assembled; None before."""

    def chunk_reports(self, asset_id: str, policy_digest: str) -> Sequence[MaskReport]:
        """The reports of finished chunks in chunk order."""

    def assembled(self, asset_id: str, policy_digest: str) -> Outcome | None:
        """The ``Assembled`` outcome that delivery starts from; None before."""

    # -- intermediate results -------------------------------------------------------------------------------------
    def spent(self) -> Sequence[Spent]:
        """Whose chunks and masked files may go: published, and not on the way again under that policy."""

    def forget_results(self, asset_id: str, policy_digest: str, *, actor: str) -> Sequence[Artefact]:
        """Forget chunks and masked file, so that their bytes may go and a later journey makes them again; returns
        them, none when there were none. Timeline, reports, receipt and what was published stay.

        ``IllegalTransition`` while items of this asset are open under this policy.
        """

    def artefact_names(self, asset_id: str) -> frozenset[str]:
        """Every blob name that the catalogue refers to for this asset, under all policies."""

    # -- the ledger -----------------------------------------------------------------------------------------------
    def claim(self, kinds: Collection[WorkKind], *, owner: str, lease_seconds: float) -> Lease | None:
        """Take the oldest due item of these kinds: raises its epoch, counts the attempt, sets owner and deadline.

        None when nothing is due. Two callers never get the same epoch of an item. An item whose attempts are used up
        is never handed out.
        """

    def claim_item(self, item_id: int, *, owner: str, lease_seconds: float) -> Lease | None:
        """Take this item, as ``claim`` does, for one who was rung for it; None when not due, not waiting or unknown."""

    def item(self, item_id: int) -> WorkItem:
        """One item in whatever state; ``NotFound`` when unknown."""

    def heartbeat(self, lease: Lease, *, lease_seconds: float, progress: float) -> None:
        """Move the deadline; ``progress`` in 0..1."""

    def complete(self, lease: Lease, outcome: Outcome) -> None:
        """Store the outcome, finish the item and queue what follows: ``plan`` -> one ``mask`` per chunk; last ``mask``
        -> ``assemble``; ``assemble`` -> ``deliver``; ``deliver`` -> asset ``delivered``.

        A chunk masked before under the same policy digest is not masked again. At most one published artefact exists
        per asset and policy digest.
        """

    def fail(self, lease: Lease, failure: Failure) -> None:
        """End the attempt: retry with back-off and jitter while attempts are left (then ``failed`` for known reasons,
        ``quarantined`` for ``unexpected``); fail; quarantine; or give the lease back untouched (``abandon``: the
        attempt does not count). A failed or quarantined item takes the asset along and cancels its other items.
        """

    def sweep(self) -> int:
        """Requeue items whose lease ran out (or fail them when attempts are used up), ring again for items due and
        unsent for long; returns how many items changed. Idempotent, safe to run anywhere, any time.
        """

    def reclaim(self) -> int:
        """The same for every leased item, whatever its deadline: for one who knows that no worker lives (the sole owner
        of a state folder at its start). A worker that lives all the same becomes stale; nothing is written twice.
        Items that wait for a later time are due at once: they failed in another life, or the clock was set back.
        """

    # -- outbox and audit -----------------------------------------------------------------------------------------
    def take_rings(self, limit: int = 100) -> Sequence[OutboxRing]:
        """Unsent rings, oldest first. Taking does not remove them."""

    def rings_sent(self, ring_ids: Collection[int]) -> None:
        """Mark as sent. Idempotent."""

    def append_audit(self, event: AuditEvent) -> None:
        """Record an act that changes no asset (a look at the map, a key rotation)."""

    def audit_events(self, object_id: str | None = None) -> Sequence[AuditEvent]:
        """Events in order, all or of one object."""

    # -- figures --------------------------------------------------------------------------------------------------
    def count_assets(self) -> dict[AssetState, int]:
        """How many assets are in each state (every state present)."""

    def queue_depth(self) -> dict[WorkKind, int]:
        """How many items wait or run, by kind (every kind present)."""

    def oldest_due_seconds(self) -> dict[WorkKind, float]:
        """Age of the oldest queued item by kind; 0.0 when none."""

    def outcomes(self) -> dict[tuple[WorkKind, WorkState, str | None], int]:
        """How many items ended, by kind, state and reason; only what there is."""

    def open_items(self) -> int:
        """Items neither done, failed nor cancelled."""

    def check(self) -> None:
        """Really ask the database; ``CatalogueUnavailable`` when it does not answer or the schema is not current."""
