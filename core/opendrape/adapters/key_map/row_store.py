"""What the key map asks of the place where its rows are: SQLite on one machine, PostgreSQL in a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from opendrape.adapters.key_map.sealing import Kind, Row


class RowStore(Protocol):
    """Rows in clear are pseudonyms and key versions alone. Threads may share one; processes share the place.

    ``StorageUnavailable`` (``key_map_unavailable``, ``key_map_busy``) when it does not answer in time.
    """

    def close(self) -> None:
        """Close it; a second call does nothing."""

    def exclusive(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """One process at a time. ``StorageUnavailable`` (``key_map_busy``) when taken and ``wait`` is False."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and alone among writers of every process."""

    def initialise(self, active_version: int, check: Callable[[], Row]) -> None:
        """Make the tables and the row that proves the key, unless they are there."""

    def active_version(self) -> int:
        """Under which key version rows are written; ask inside the transaction that writes."""

    def set_active_version(self, version: int) -> None:
        """Every later write uses this version."""

    def insert(self, row: Row) -> None:
        """Add the row unless one of this kind and blind index is there."""

    def reseal(self, row: Row) -> None:
        """Put the row's new ciphertext and version in place."""

    def find(self, kind: Kind, blind: bytes) -> Row | None:
        """The one row of this kind and blind index."""

    def named(self, kind: Kind, pseudonym: str) -> Sequence[Row]:
        """Rows of this kind and pseudonym, latest first."""

    def of_subject(self, subject_id: str) -> Sequence[Row]:
        """Every row that leads to this subject, latest first: its own, its sources, the unnamed sources of its assets,
        and the assets that nobody else shares.
        """

    def not_under(self, version: int, limit: int) -> Sequence[Row]:
        """Some rows that are sealed under another version."""

    def all(self) -> Sequence[Row]:
        """Every row but the one that proves the key, oldest first."""

    def delete(self, rows: Sequence[Row]) -> None:
        """Remove; what is left of them goes with ``forget``."""

    def forget(self) -> None:
        """Leave nothing of removed and replaced rows in the place's own files."""

    def count_by_version(self) -> dict[int, int]:
        """How many rows each key version seals."""
