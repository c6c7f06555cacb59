"""The catalogue on a SQL database: which function answers which call of the port, each in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import delete

from opendrape.adapters.sql import assets, at_once, figures, ledger, reading, results
from opendrape.adapters.sql.database import Database, open_database
from opendrape.adapters.sql.frame_requests import SqlFrameRequests
from opendrape.adapters.sql.migrate import is_current, migrate
from opendrape.adapters.sql.postgresql import Limits
from opendrape.adapters.sql.progression import is_of
from opendrape.adapters.sql.repetition import repeated
from opendrape.adapters.sql.segments import SqlSegments
from opendrape.adapters.sql.tables import outbox
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.audit import AuditEvent
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.regions import MaskReport
from opendrape.domain.states import ANY_STATE, AssetState, WorkState
from opendrape.domain.work import (
    Artefact,
    ArtefactKind,
    Asset,
    Chunk,
    ChunkMasked,
    Failure,
    Lease,
    Outcome,
    RetryRule,
    WorkItem,
    WorkKind,
)
from opendrape.errors import CatalogueUnavailable, StaleLease
from opendrape.ports.catalogue import AssetFilter, Catalogue, NewAsset, OutboxRing, Registration, Spent
from opendrape.ports.clock import Clock

COMPLETE_TRIES = 10


def open_catalogue(url: str, *, clock: Clock, retry: RetryRule, limits: Limits = Limits()) -> SqlCatalogue:
    """Open the database at a SQLAlchemy URL and bring its schema up to date; the folder of a SQLite file must exist.

    Safe when several processes start at once. ``ConfigurationError`` for an unusable URL, ``CatalogueUnavailable``
    when the database does not answer.
    """
    database = open_database(url, limits)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return SqlCatalogue(database, clock=clock, retry=retry)


@repeated
class SqlCatalogue(Catalogue):
    """See :class:`opendrape.ports.catalogue.Catalogue` for what each call promises. Threads may share one.

    Every call is one transaction; one that met another, or whose connection was dead, is repeated a few times.
    """

    def __init__(self, database: Database, *, clock: Clock, retry: RetryRule) -> None:
        self._database = database
        self._clock = clock
        self._retry = retry

    @property
    def database(self) -> Database:
        """The database, for stores that keep their tables beside the ledger's."""
        return self._database

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._database.close()

    @property
    def requests_for_frames(self) -> SqlFrameRequests:
        """Requests for frames in the same database."""
        return SqlFrameRequests(self._database, clock=self._clock, retry=self._retry)

    @property
    def segments(self) -> SqlSegments:
        """Marked segments in the same database."""
        return SqlSegments(self._database, clock=self._clock, retry=self._retry)

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self._database.read() as connection:
            yield Transaction(connection, self._clock.now(), self._retry)

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        # The time is read after the write lock was waited for: a lease starts when it is given.
        with self._database.write() as connection:
            yield Transaction(connection, self._clock.now(), self._retry)

    # -- assets ---------------------------------------------------------------------------------------------------
    def register(self, new: NewAsset, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> Registration:
        with self._writing() as tx:
            return assets.register(tx, new, actor=actor, while_in=while_in)

    def retry(self, asset_id: str, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> Asset:
        with self._writing() as tx:
            assets.must_be(tx, asset_id, while_in)
            return assets.retry(tx, asset_id, actor=actor)

    def deliver_again(self, asset_id: str, *, actor: str) -> Asset:
        with self._writing() as tx:
            return assets.deliver_again(tx, asset_id, actor=actor)

    def retire(self, asset_id: str, after: AssetState, *, actor: str) -> Asset:
        with self._writing() as tx:
            return assets.retire(tx, asset_id, after, actor=actor)

    def cancel(self, asset_id: str, *, actor: str, while_in: Collection[AssetState] = ANY_STATE) -> Asset:
        with self._writing() as tx:
            assets.must_be(tx, asset_id, while_in)
            return assets.cancel(tx, asset_id, actor=actor)

    def asset(self, asset_id: str) -> Asset:
        with self._reading() as tx:
            return reading.asset(tx, asset_id)

    def assets(self, which: AssetFilter = AssetFilter()) -> Sequence[Asset]:
        with self._reading() as tx:
            return reading.assets(tx, which)

    def media_info(self, asset_id: str) -> MediaInfo | None:
        with self._reading() as tx:
            return reading.media_info(tx, asset_id)

    def chunks(self, asset_id: str) -> Sequence[Chunk]:
        with self._reading() as tx:
            return reading.chunks(tx, asset_id)

    def work_items(self, asset_id: str) -> Sequence[WorkItem]:
        with self._reading() as tx:
            return reading.work_items(tx, asset_id)

    def artefacts(self, asset_id: str, policy_digest: str, kind: ArtefactKind) -> Sequence[Artefact]:
        with self._reading() as tx:
            return reading.artefacts(tx, asset_id, policy_digest, kind)

    def report(self, asset_id: str, policy_digest: str) -> MaskReport | None:
        with self._reading() as tx:
            whole = reading.assembled(tx, asset_id, policy_digest)
        return whole.report if whole else None

    def chunk_reports(self, asset_id: str, policy_digest: str) -> Sequence[MaskReport]:
        with self._reading() as tx:
            return reading.chunk_reports(tx, asset_id, policy_digest)

    def assembled(self, asset_id: str, policy_digest: str) -> Outcome | None:
        with self._reading() as tx:
            return reading.assembled(tx, asset_id, policy_digest)

    # -- intermediate results -------------------------------------------------------------------------------------
    def spent(self) -> Sequence[Spent]:
        with self._reading() as tx:
            return results.spent(tx)

    def forget_results(self, asset_id: str, policy_digest: str, *, actor: str) -> Sequence[Artefact]:
        with self._writing() as tx:
            return assets.forget_results(tx, asset_id, policy_digest, actor=actor)

    def artefact_names(self, asset_id: str) -> frozenset[str]:
        with self._reading() as tx:
            return results.artefact_names(tx, asset_id)

    # -- the ledger -----------------------------------------------------------------------------------------------
    def claim(self, kinds: Collection[WorkKind], *, owner: str, lease_seconds: float) -> Lease | None:
        if not self._database.is_postgresql:
            with self._writing() as tx:
                return ledger.claim(tx, kinds, owner=owner, lease_seconds=lease_seconds)
        now = self._clock.now()
        lease = at_once.claim(self._database, now, self._retry, kinds, owner=owner, lease_seconds=lease_seconds)
        if lease is not None and lease.kind is WorkKind.FRAMES:
            with self._writing() as tx:
                return ledger.begun(tx, lease)
        return lease

    def claim_item(self, item_id: int, *, owner: str, lease_seconds: float) -> Lease | None:
        with self._writing() as tx:
            return ledger.claim_item(tx, item_id, owner=owner, lease_seconds=lease_seconds)

    def item(self, item_id: int) -> WorkItem:
        with self._reading() as tx:
            return reading.item(tx, item_id)

    def heartbeat(self, lease: Lease, *, lease_seconds: float, progress: float) -> None:
        with self._writing() as tx:
            ledger.heartbeat(tx, lease, lease_seconds=lease_seconds, progress=progress)

    def complete(self, lease: Lease, outcome: Outcome) -> None:
        if isinstance(outcome, ChunkMasked) and self._completed_at_once(lease, outcome):
            return
        with self._writing() as tx:
            ledger.complete(tx, lease, outcome)

    def _completed_at_once(self, lease: Lease, masked: ChunkMasked) -> bool:
        """PostgreSQL: in one statement; False when nothing was stored."""
        if not (self._database.is_postgresql and is_of(lease, masked)):
            return False
        for _ in range(COMPLETE_TRIES):
            match at_once.complete_chunk(self._database, self._clock.now(), lease, masked):
                case at_once.Verdict.DONE:
                    return True
                case at_once.Verdict.STALE:
                    raise StaleLease()
        return False

    def fail(self, lease: Lease, failure: Failure) -> None:
        with self._writing() as tx:
            ledger.fail(tx, lease, failure)

    def sweep(self) -> int:
        with self._writing() as tx:
            return ledger.sweep(tx)

    def reclaim(self) -> int:
        with self._writing() as tx:
            ledger.make_due(tx)
            return ledger.sweep(tx, all_leases=True)

    # -- outbox and audit -----------------------------------------------------------------------------------------
    def take_rings(self, limit: int = 100) -> Sequence[OutboxRing]:
        with self._reading() as tx:
            return reading.rings(tx, limit)

    def rings_sent(self, ring_ids: Collection[int]) -> None:
        with self._writing() as tx:
            tx.connection.execute(delete(outbox).where(outbox.c.ring_id.in_(tuple(ring_ids))))

    def append_audit(self, event: AuditEvent) -> None:
        with self._writing() as tx:
            tx.append(event)

    def audit_events(self, object_id: str | None = None) -> Sequence[AuditEvent]:
        with self._reading() as tx:
            return reading.events(tx, object_id)

    # -- figures --------------------------------------------------------------------------------------------------
    def count_assets(self) -> dict[AssetState, int]:
        with self._reading() as tx:
            return figures.count_assets(tx)

    def queue_depth(self) -> dict[WorkKind, int]:
        with self._reading() as tx:
            return figures.queue_depth(tx)

    def oldest_due_seconds(self) -> dict[WorkKind, float]:
        with self._reading() as tx:
            return figures.oldest_due_seconds(tx)

    def outcomes(self) -> dict[tuple[WorkKind, WorkState, str | None], int]:
        with self._reading() as tx:
            return figures.outcomes(tx)

    def open_items(self) -> int:
        with self._reading() as tx:
            return figures.open_items(tx)

    def check(self) -> None:
        if not is_current(self._database):
            raise CatalogueUnavailable(reason="schema_not_current")
