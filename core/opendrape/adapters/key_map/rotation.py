"""How the map gets a new key: key file first, then rows in batches, the old key last; resumable at any point."""

from __future__ import annotations

from typing import Final

from opendrape.adapters.key_map.key_ring import KeyRing, KeySource, save_key_ring
from opendrape.adapters.key_map.row_store import RowStore
from opendrape.adapters.key_map.sealing import Seals
from opendrape.ports.key_map import RotationPreview

_BATCH_ROWS: Final = 200


def preview(rows: RowStore, ring: KeyRing) -> RotationPreview:
    """What ``rotate`` would do."""
    return RotationPreview(rows_by_version=rows.count_by_version(), new_version=ring.next_version)


def rotate(rows: RowStore, seals: Seals, key_file: KeySource) -> None:
    """Make or resume a new active key and bring every row under it.

    ``StorageUnavailable`` (``key_map_busy``) while another process rotates; ``ConfigurationError`` when the key file
    cannot be written or a row does not open. Rows are readable at every point in between.
    """
    with rows.exclusive(wait=False):
        ring = seals.reload()
        if not ring.retiring:
            save_key_ring(key_file, ring.with_new_active())
            ring = seals.reload()
        with rows.transaction():
            rows.set_active_version(ring.active.version)
        while _reseal_batch(rows, seals, ring.active.version):
            pass
        # The old ciphertexts go before the key that opens them.
        rows.forget()
        save_key_ring(key_file, ring.without_retiring())
        seals.reload()


def _reseal_batch(rows: RowStore, seals: Seals, version: int) -> bool:
    with rows.transaction():
        batch = rows.not_under(version, _BATCH_ROWS)
        for row in batch:
            rows.reseal(seals.seal(row, seals.open(row), version=version))
    return bool(batch)
