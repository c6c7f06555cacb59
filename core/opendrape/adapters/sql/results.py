"""How results are stored: plans, artefacts and reports; what was published stays as it is."""

from __future__ import annotations

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.sql import ColumnElement

from opendrape.adapters.sql.rows import artefact_of, chunk_of
from opendrape.adapters.sql.tables import ANY_POLICY, WHOLE, artefacts, assets, chunks, media_info, reports
from opendrape.adapters.sql.transaction import Transaction
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.states import AssetState
from opendrape.domain.work import INTERMEDIATE, Artefact, ArtefactKind, Assembled, Chunk, ChunkMasked, Planned
from opendrape.errors import BlobConflict
from opendrape.ports.catalogue import Spent

_AT_REST = (AssetState.DELIVERED, AssetState.ARCHIVED, AssetState.DELETED)


def store_plan(tx: Transaction, asset_id: str, policy_digest: str, plan: Planned) -> None:
    """Keep what the probe said. Finished chunks of another cut or timeline are forgotten: they would not fit."""
    if _timeline_changed(tx, asset_id, plan.timeline):
        _forget(tx, artefacts.c.asset_id == asset_id, reports.c.asset_id == asset_id)
    elif _chunks(tx, asset_id, policy_digest) != set(plan.chunks):
        forget_results(tx, asset_id, policy_digest)
    store_artefact(tx, asset_id, ANY_POLICY, plan.timeline)
    _store_media(tx, asset_id, plan.media)
    _store_chunks(tx, asset_id, policy_digest, plan.chunks)


def store_artefact(tx: Transaction, asset_id: str, policy_digest: str, artefact: Artefact) -> None:
    """Keep a working result; a later one of the same place replaces it."""
    tx.connection.execute(delete(artefacts).where(_place(asset_id, policy_digest, artefact)))
    _insert_artefact(tx, asset_id, policy_digest, artefact)


def publish(tx: Transaction, asset_id: str, policy_digest: str, artefact: Artefact) -> None:
    """Keep a delivered result once. The same again is fine; ``BlobConflict`` for another one."""
    known = tx.connection.execute(
        select(artefacts.c.name, artefacts.c.sha256).where(_place(asset_id, policy_digest, artefact))
    ).one_or_none()
    if known is None:
        _insert_artefact(tx, asset_id, policy_digest, artefact)
    elif (known.name, known.sha256) != (artefact.name, artefact.sha256):
        raise BlobConflict(reason="already_published")


def store_report(
    tx: Transaction, asset_id: str, policy_digest: str, outcome: ChunkMasked | Assembled, *, chunk: int = WHOLE
) -> None:
    """Keep the outcome with its report; a later one of the same place replaces it."""
    place = (reports.c.asset_id == asset_id, reports.c.policy_digest == policy_digest, reports.c.chunk == chunk)
    tx.connection.execute(delete(reports).where(*place))
    tx.connection.execute(
        insert(reports).values(
            asset_id=asset_id,
            policy_digest=policy_digest,
            chunk=chunk,
            outcome=outcome.model_dump(mode="json"),
            created_at=tx.now,
        )
    )


def forget_results(tx: Transaction, asset_id: str, policy_digest: str) -> None:
    """Drop what was masked and assembled under one policy, so that it is done again. What was published stays."""
    _forget(
        tx,
        (artefacts.c.asset_id == asset_id) & (artefacts.c.policy_digest == policy_digest),
        (reports.c.asset_id == asset_id) & (reports.c.policy_digest == policy_digest),
    )


def take_out(tx: Transaction, asset_id: str, policy_digest: str) -> list[Artefact]:
    """Drop chunks and masked file, reports stay; the artefacts that went."""
    rows = tx.connection.execute(
        delete(artefacts).where(_intermediate(asset_id, policy_digest)).returning(*artefacts.c)
    )
    return sorted((artefact_of(row) for row in rows), key=lambda artefact: (artefact.kind, artefact.chunk))


def has_masked(tx: Transaction, asset_id: str, policy_digest: str) -> bool:
    """True when the whole masked file and what was said about it are kept."""
    found = tx.connection.execute(
        select(artefacts.c.name).where(
            _intermediate(asset_id, policy_digest),
            artefacts.c.kind == ArtefactKind.MASKED,
            exists().where(
                reports.c.asset_id == asset_id, reports.c.policy_digest == policy_digest, reports.c.chunk == WHOLE
            ),
        )
    )
    return found.one_or_none() is not None


def spent(tx: Transaction) -> list[Spent]:
    """Published results whose intermediate ones are still kept, unless the same journey is on its way again."""
    published = artefacts.alias("published")
    query = (
        select(artefacts.c.asset_id, artefacts.c.policy_digest)
        .distinct()
        .join(assets, assets.c.asset_id == artefacts.c.asset_id)
        .join(
            published,
            (published.c.asset_id == artefacts.c.asset_id)
            & (published.c.policy_digest == artefacts.c.policy_digest)
            & (published.c.kind == ArtefactKind.PUBLISHED),
        )
        .where(artefacts.c.kind.in_(INTERMEDIATE))
        .where((assets.c.policy_digest != artefacts.c.policy_digest) | assets.c.state.in_(_AT_REST))
        .order_by(artefacts.c.asset_id, artefacts.c.policy_digest)
    )
    return [Spent(row.asset_id, row.policy_digest) for row in tx.connection.execute(query)]


def artefact_names(tx: Transaction, asset_id: str) -> frozenset[str]:
    """Names of all artefacts of an asset."""
    query = select(artefacts.c.name).where(artefacts.c.asset_id == asset_id)
    return frozenset(tx.connection.execute(query).scalars())


def unmasked_chunks(tx: Transaction, asset_id: str, policy_digest: str) -> list[int]:
    """Planned chunks that have no stored result under this policy, in order."""
    finished = select(artefacts.c.chunk).where(
        artefacts.c.asset_id == asset_id,
        artefacts.c.policy_digest == policy_digest,
        artefacts.c.kind == ArtefactKind.CHUNK,
    )
    rows = tx.connection.execute(
        select(chunks.c.chunk)
        .where(chunks.c.asset_id == asset_id, chunks.c.policy_digest == policy_digest)
        .where(chunks.c.chunk.not_in(finished))
        .order_by(chunks.c.chunk)
    )
    return list(rows.scalars())


def _timeline_changed(tx: Transaction, asset_id: str, timeline: Artefact) -> bool:
    known = tx.connection.execute(select(artefacts.c.sha256).where(_place(asset_id, ANY_POLICY, timeline)))
    return known.scalar_one_or_none() not in (None, timeline.sha256)


def _chunks(tx: Transaction, asset_id: str, policy_digest: str) -> set[Chunk]:
    rows = tx.connection.execute(
        select(chunks).where(chunks.c.asset_id == asset_id, chunks.c.policy_digest == policy_digest)
    )
    return {chunk_of(row) for row in rows}


def _forget(tx: Transaction, which: ColumnElement[bool], which_reports: ColumnElement[bool]) -> None:
    tx.connection.execute(delete(artefacts).where(which, artefacts.c.kind.in_(INTERMEDIATE)))
    tx.connection.execute(delete(reports).where(which_reports))


def _store_media(tx: Transaction, asset_id: str, media: MediaInfo) -> None:
    tx.connection.execute(delete(media_info).where(media_info.c.asset_id == asset_id))
    tx.connection.execute(insert(media_info).values(asset_id=asset_id, body=media.model_dump(mode="json")))


def _store_chunks(tx: Transaction, asset_id: str, policy_digest: str, plan: tuple[Chunk, ...]) -> None:
    tx.connection.execute(delete(chunks).where(chunks.c.asset_id == asset_id, chunks.c.policy_digest == policy_digest))
    rows = [
        {
            "asset_id": asset_id,
            "policy_digest": policy_digest,
            "chunk": chunk.index,
            "start_frame": chunk.span.start,
            "end_frame": chunk.span.end,
        }
        for chunk in plan
    ]
    tx.connection.execute(insert(chunks), rows)


def _intermediate(asset_id: str, policy_digest: str) -> ColumnElement[bool]:
    return (
        (artefacts.c.asset_id == asset_id)
        & (artefacts.c.policy_digest == policy_digest)
        & artefacts.c.kind.in_(INTERMEDIATE)
    )


def _place(asset_id: str, policy_digest: str, artefact: Artefact) -> ColumnElement[bool]:
    return (
        (artefacts.c.asset_id == asset_id)
        & (artefacts.c.policy_digest == policy_digest)
        & (artefacts.c.kind == artefact.kind)
        & (artefacts.c.chunk == artefact.chunk)
    )


def _insert_artefact(tx: Transaction, asset_id: str, policy_digest: str, artefact: Artefact) -> None:
    tx.connection.execute(
        insert(artefacts).values(
            asset_id=asset_id,
            policy_digest=policy_digest,
            kind=artefact.kind,
            chunk=artefact.chunk,
            name=artefact.name,
            sha256=artefact.sha256,
            size_bytes=artefact.size_bytes,
            created_at=tx.now,
        )
    )
