"""How is a registered video probed and cut into chunks, so that many maskers can share it (I-05, I-06)?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from opendrape.domain.policy import Policy, PolicyRef
from opendrape.domain.pseudonym import is_picture
from opendrape.domain.timeline import Timeline
from opendrape.domain.work import Artefact, ArtefactKind, Chunk, Lease, Planned, WorkKind
from opendrape.errors import BlobConflict, ChildCrashed, SourceChanged
from opendrape.ledger.worker import Progress
from opendrape.logging import get_log
from opendrape.media.probing import Probed, probe_in_child
from opendrape.ports.blobs import BlobStore, StoredBlob
from opendrape.ports.sources import SourceStore
from opendrape.settings import Settings

_log = get_log("ingest")


class Policies(Protocol):
    """Where a work item's policy is found again."""

    def by_reference(self, ref: PolicyRef) -> Policy: ...


Probe = Callable[[int, Settings, Callable[[], None]], Probed]


def _probe(descriptor: int, settings: Settings, on_idle: Callable[[], None]) -> Probed:
    return probe_in_child(descriptor, settings, on_idle=on_idle)


@dataclass(frozen=True)
class PlanHandler:
    """Handles ``plan`` items: probes the original in a child, stores its timeline, answers with the chunk plan.

    Idempotent: the same original gives the same timeline, which is stored once for all policies.
    """

    settings: Settings
    sources: SourceStore
    work_blobs: BlobStore
    policies: Policies
    probe: Probe = _probe
    kinds: frozenset[WorkKind] = frozenset({WorkKind.PLAN})

    def handle(self, lease: Lease, progress: Progress) -> Planned:
        """``MediaRefused`` says why a video cannot be planned; ``SourceChanged`` that it is not the registered one."""
        progress(0.0)
        chunk_seconds = self.policies.by_reference(lease.policy).chunk_seconds
        with self.sources.open(lease.asset_id) as source:
            probed = self.probe(source.descriptor, self.settings, lambda: progress(0.0))
        timeline = probed.timeline
        if probed.media.frame_count != len(timeline):
            raise ChildCrashed(reason="child_protocol")
        if probed.media.is_still != is_picture(lease.asset_id):
            raise SourceChanged("a picture was registered as a video, or a video as a picture")
        stored = self._store(f"timelines/{lease.asset_id}.bin", timeline)
        progress(1.0)
        return Planned(
            media=probed.media,
            timeline=Artefact(ArtefactKind.TIMELINE, stored.name, stored.sha256, stored.size_bytes),
            chunks=tuple(Chunk(index, span) for index, span in enumerate(timeline.chunks(chunk_seconds))),
        )

    def _store(self, name: str, timeline: Timeline) -> StoredBlob:
        """Another zlib may pack the same timeline into other bytes: what counts is what is in them.

        What is no timeline any more was damaged at rest: it goes, and is written anew.
        """
        try:
            return self.work_blobs.put_bytes(name, timeline.to_bytes())
        except BlobConflict:
            with self.work_blobs.open(name) as blob:
                packed = blob.read()
            kept = _unpacked(packed)
            if kept is not None and not _are_same(kept, timeline):
                raise
        if kept is None:
            self.work_blobs.delete(name)
            _log.warning("timeline_made_again")
            return self.work_blobs.put_bytes(name, timeline.to_bytes())
        md5 = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        return StoredBlob(name, hashlib.sha256(packed).hexdigest(), md5, len(packed))


def _unpacked(packed: bytes) -> Timeline | None:
    """None for what no planner wrote: a checksum is part of the format."""
    try:
        return Timeline.from_bytes(packed)
    except ValueError:
        return None


def _are_same(one: Timeline, other: Timeline) -> bool:
    return (one.time_base, one.end_tick, one.key_frames) == (other.time_base, other.end_tick, other.key_frames) and (
        list(one.ticks) == list(other.ticks)
    )
