"""Where token buckets are kept, so that all replicas together allow one rate."""

from __future__ import annotations

import math
from datetime import timedelta

from sqlalchemy import delete, select, update

from opendrape.adapters.sql.store import SqlStore, insert_once
from opendrape.adapters.sql.upload_tables import buckets
from opendrape.ports.buckets import Buckets, Drawn, Rate


class SqlBuckets(SqlStore, Buckets):
    """See the port."""

    def draw(self, bucket_id: str, *, want: float, rate: Rate) -> Drawn:
        with self._writing() as tx:
            this, row = buckets.c.bucket_id == bucket_id, None
            while row is None:  # a full one may be forgotten between the two
                insert_once(tx.connection, buckets, bucket_id=bucket_id, tokens=rate.burst, filled_at=tx.now)
                row = tx.connection.execute(select(buckets).where(this).with_for_update()).one_or_none()
            # a clock that was set back must not drain the bucket
            passed = max(0.0, (tx.now - row.filled_at).total_seconds())
            full = min(rate.burst, row.tokens + passed * rate.per_second)
            taken = float(min(math.floor(full), want))
            left = full - taken
            tx.connection.execute(update(buckets).where(this).values(tokens=left, filled_at=tx.now))
        return Drawn(tokens=taken, left=left, seconds_until_next=max(0.0, 1.0 - left) / rate.per_second)

    def forget_full(self, *, idle_seconds: float) -> int:
        with self._writing() as tx:
            idle = buckets.c.filled_at < tx.now - timedelta(seconds=idle_seconds)
            return tx.connection.execute(delete(buckets).where(idle)).rowcount
