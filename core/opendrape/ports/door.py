"""What the HTTP door keeps in the catalogue's database beside assets and work."""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.ports.buckets import Buckets
from opendrape.ports.replays import Replays
from opendrape.ports.uploads import Owners, Uploads
from opendrape.ports.video_shelf import VideoShelf
from opendrape.ports.webhooks import Webhooks


@dataclass(frozen=True)
class DoorRecords:
    """One port each."""

    uploads: Uploads
    owners: Owners
    videos: VideoShelf
    replays: Replays
    buckets: Buckets
    webhooks: Webhooks
