"""How the door's records are opened on the catalogue's database."""

from __future__ import annotations

from opendrape.adapters.sql.buckets import SqlBuckets
from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.adapters.sql.replays import SqlReplays
from opendrape.adapters.sql.uploads import SqlOwners, SqlUploads
from opendrape.adapters.sql.video_shelf import SqlVideoShelf
from opendrape.adapters.sql.webhooks import SqlWebhooks
from opendrape.ports.clock import Clock
from opendrape.ports.door import DoorRecords


def open_door(catalogue: SqlCatalogue, clock: Clock) -> DoorRecords:
    """Every port of the door; they close with the catalogue."""
    database = catalogue.database
    return DoorRecords(
        uploads=SqlUploads(database, clock),
        owners=SqlOwners(database, clock),
        videos=SqlVideoShelf(database, clock),
        replays=SqlReplays(database, clock),
        buckets=SqlBuckets(database, clock),
        webhooks=SqlWebhooks(database, clock),
    )
