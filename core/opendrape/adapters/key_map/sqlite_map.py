"""Who somebody was: the key map port on an encrypted SQLite file or PostgreSQL, and a key (P-01, P-04)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from opendrape.adapters.key_map import rotation
from opendrape.adapters.key_map.export import write_export
from opendrape.adapters.key_map.key_ring import KeySource, load_or_create_key_ring
from opendrape.adapters.key_map.postgresql_rows import PostgresRows
from opendrape.adapters.key_map.row_store import RowStore
from opendrape.adapters.key_map.rows import MapRows, holds_map
from opendrape.adapters.key_map.sealing import Kind, Row, Seals
from opendrape.domain.audit import AuditEvent
from opendrape.domain.pseudonym import Scheme, Subject, keyed_pseudonym, random_pseudonym
from opendrape.errors import ConfigurationError, NotFound
from opendrape.ports.clock import Clock
from opendrape.ports.key_map import KeyMap, Revealed, RotationPreview, SourceRecord

_CHECK: Final = "opendrape"
_WHOLE_MAP: Final = "key-map"
_KIND: Final = {Subject.ASSET: Kind.ASSET, Subject.PICTURE: Kind.ASSET, Subject.PATIENT: Kind.SUBJECT}


def open_key_map(
    where: Path | SecretStr,
    key_file: KeySource,
    *,
    scheme: Scheme,
    audit: Callable[[AuditEvent], None],
    clock: Clock,
    notice: Callable[[str], None],
) -> SqliteKeyMap:
    """Open the map, or make map and key file on first use (``notice`` is told of a new key).

    ``where`` is a SQLite file or the URL of a PostgreSQL database. A key given as text is never made and never written.
    ``ConfigurationError``, and nothing changed, when the key file is missing though there is a map
    (``key_file_missing``), can be read by others (``key_file_permissions``), is not one (``key_file_unreadable``), or
    does not fit the map (``map_key_wrong``).
    """
    if isinstance(where, Path):
        ring = load_or_create_key_ring(key_file, may_create=not holds_map(where), notice=notice)
        return _opened(MapRows(where), Seals(key_file, ring), key_file, scheme=scheme, audit=audit, clock=clock)
    rows = PostgresRows(where)
    try:
        ring = load_or_create_key_ring(key_file, may_create=not rows.initialised(), notice=notice)
    except BaseException:
        rows.close()
        raise
    return _opened(rows, Seals(key_file, ring), key_file, scheme=scheme, audit=audit, clock=clock)


def _opened(
    rows: RowStore,
    seals: Seals,
    key_file: KeySource,
    *,
    scheme: Scheme,
    audit: Callable[[AuditEvent], None],
    clock: Clock,
) -> SqliteKeyMap:
    try:
        rows.initialise(seals.ring.active.version, lambda: _check_row(seals))
        opened = SqliteKeyMap(rows, seals, key_file, scheme=scheme, audit=audit, clock=clock)
        opened.check()
    except BaseException:
        rows.close()
        raise
    return opened


class SqliteKeyMap(KeyMap):
    """See the port. Acts of an admin are audited before they are done: no audit, no act.

    Under the ``hmac-sha256`` scheme a destroyed subject's pseudonym can be computed again by whoever holds the key and
    the record number; under ``random`` it is gone.
    """

    def __init__(
        self,
        rows: RowStore,
        seals: Seals,
        key_file: KeySource,
        *,
        scheme: Scheme,
        audit: Callable[[AuditEvent], None],
        clock: Clock,
    ) -> None:
        self._rows, self._seals, self._key_file = rows, seals, key_file
        self._scheme, self._audit, self._clock = scheme, audit, clock

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._rows.close()

    def asset_pseudonym(self, content_sha256: str, *, is_picture: bool = False) -> str:
        """See the port."""
        return self._pseudonym(Subject.PICTURE if is_picture else Subject.ASSET, content_sha256)

    def find_asset(self, content_sha256: str) -> str | None:
        """See the port."""
        row = self._rows.find(Kind.ASSET, self._seals.blind(Kind.ASSET, content_sha256))
        return row.pseudonym if row else None

    def subject_pseudonym(self, record_number: str) -> str:
        """See the port. ``ValueError`` for a blank number: it would make one patient of many."""
        return self._pseudonym(Subject.PATIENT, record_number)

    def remember_source(self, asset_id: str, record: SourceRecord, *, subject_id: str | None = None) -> None:
        """See the port. A subject once known for this path and asset stays when none is given."""
        blind = self._seals.blind(Kind.SOURCE, record.path)
        with self._rows.transaction():
            before = self._rows.find(Kind.SOURCE, blind)
            if before and before.pseudonym == asset_id:
                subject_id = subject_id or before.subject_id
                if self._is_latest(before, record, subject_id):
                    return
            self._rows.delete([before] if before else [])
            self._insert(Kind.SOURCE, asset_id, blind, asdict(record), subject_id=subject_id)

    def _is_latest(self, row: Row, record: SourceRecord, subject_id: str | None) -> bool:
        latest = self._rows.named(Kind.SOURCE, row.pseudonym)[0]
        return latest == row and row.subject_id == subject_id and self._record(row) == record

    def known_source(self, path: str) -> tuple[str, SourceRecord] | None:
        """See the port."""
        row = self._rows.find(Kind.SOURCE, self._seals.blind(Kind.SOURCE, path))
        return (row.pseudonym, self._record(row)) if row else None

    def forget_source(self, path: str) -> None:
        """See the port. Overwritten in the file; its log is emptied at the next destruction or close."""
        blind = self._seals.blind(Kind.SOURCE, path)
        with self._rows.transaction():
            row = self._rows.find(Kind.SOURCE, blind)
            self._rows.delete([row] if row else [])

    def sources(self, asset_id: str) -> Sequence[SourceRecord]:
        """See the port."""
        return tuple(self._record(row) for row in self._rows.named(Kind.SOURCE, asset_id))

    def reveal(self, pseudonym: str, *, actor: str, reason: str) -> Revealed:
        """See the port. The look is audited before it happens, also when there is nothing to see."""
        self._say("key_map.reveal", pseudonym, actor, reason=reason)
        rows = self._rows.named(Kind.SOURCE, pseudonym) or [
            row for row in self._rows.of_subject(pseudonym) if row.kind is Kind.SOURCE and row.subject_id == pseudonym
        ]
        if not (rows or self._rows.named(Kind.ASSET, pseudonym) or self._rows.named(Kind.SUBJECT, pseudonym)):
            raise NotFound
        return Revealed(pseudonym=pseudonym, sources=tuple(self._record(row) for row in rows))

    def destroy_subject(self, subject_id: str, *, actor: str, reason: str) -> int:
        """See the port. Overwritten in the file and cut from its log; ``StorageUnavailable``: call again."""
        rows = len(self._rows.of_subject(subject_id))
        self._say("key_map.destroy_subject", subject_id, actor, reason=reason, rows=rows)
        with self._rows.transaction():
            doomed = self._rows.of_subject(subject_id)
            self._rows.delete(doomed)
        self._rows.forget()
        return len(doomed)

    def preview_rotation(self) -> RotationPreview:
        """See the port."""
        return rotation.preview(self._rows, self._seals.reload())

    def rotate(self, *, actor: str) -> RotationPreview:
        """See the port. The look-up key stays: pseudonyms and blind indexes hang on it."""
        before = self.preview_rotation()
        facts = {"new_version": before.new_version, "rows": sum(before.rows_by_version.values())}
        self._say("key_map.rotation_started", _WHOLE_MAP, actor, **facts)
        rotation.rotate(self._rows, self._seals, self._key_file)
        self._say("key_map.rotated", _WHOLE_MAP, actor, **facts)
        return before

    def export(self, destination: Path, *, actor: str, reason: str) -> int:
        """See the port. ``BlobConflict`` when the file exists."""
        rows = self._rows.all()
        self._say("key_map.export", _WHOLE_MAP, actor, reason=reason, rows=len(rows))
        write_export(destination, rows)
        return len(rows)

    def check(self) -> None:
        """See the port. Reasons: ``map_key_wrong``, ``map_key_version_missing``."""
        proof = self._rows.find(Kind.CHECK, self._seals.blind(Kind.CHECK, _CHECK))
        if proof is None:
            raise ConfigurationError("the key file does not belong to this key map", reason="map_key_wrong")
        try:
            self._seals.open(proof)
        except ConfigurationError:
            raise ConfigurationError("the key file does not belong to this key map", reason="map_key_wrong") from None
        for version in self._rows.count_by_version():
            if self._seals.ring.secret(version) is None and self._seals.reload().secret(version) is None:
                raise ConfigurationError("the key file lacks a version", reason="map_key_version_missing")

    def _pseudonym(self, subject: Subject, identifier: str) -> str:
        if not identifier.strip():
            raise ValueError("an identifier must not be blank")
        kind = _KIND[subject]
        blind = self._seals.blind(kind, identifier)
        row = self._rows.find(kind, blind)
        if row is None:
            with self._rows.transaction():
                self._insert(kind, self._made(subject, identifier), blind, {"identifier": identifier})
                row = self._rows.find(kind, blind)
        assert row is not None
        return row.pseudonym

    def _made(self, subject: Subject, identifier: str) -> str:
        if self._scheme is Scheme.RANDOM:
            return random_pseudonym(subject)
        version = self._seals.ring.lookup.version
        return keyed_pseudonym(subject, identifier, key=self._seals.pseudonym_key, key_version=version)

    def _insert(
        self, kind: Kind, pseudonym: str, blind: bytes, content: dict[str, Any], *, subject_id: str | None = None
    ) -> None:
        # A subject's own row leads to the subject like its sources do.
        owner = pseudonym if kind is Kind.SUBJECT else subject_id
        row = _blank(kind, pseudonym, blind, owner)
        self._rows.insert(self._seals.seal(row, content, version=self._rows.active_version()))

    def _record(self, row: Row) -> SourceRecord:
        content: dict[str, Any] = self._seals.open(row)
        return SourceRecord(**content)

    def _say(self, action: str, object_id: str, actor: str, **facts: str | int) -> None:
        event = AuditEvent(actor=actor, action=action, object_id=object_id, at=self._clock.now(), facts=facts)
        self._audit(event)


def _blank(kind: Kind, pseudonym: str, blind: bytes, subject_id: str | None = None) -> Row:
    return Row(secrets.token_hex(16), kind, pseudonym, subject_id, blind, 0, b"")


def _check_row(seals: Seals) -> Row:
    row = _blank(Kind.CHECK, "", seals.blind(Kind.CHECK, _CHECK))
    return seals.seal(row, {}, version=seals.ring.active.version)
