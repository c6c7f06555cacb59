"""How does a test get delivered assets without masking: the real ledger and uploader, invented outcomes before them."""

from __future__ import annotations

import hashlib

from opendrape.bootstrap import Container
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Artefact, ArtefactKind, Assembled, Chunk, ChunkMasked, Outcome, Planned, WorkKind
from opendrape.ports.blobs import StoredBlob
from opendrape.ports.catalogue import NewAsset
from opendrape_uploader.composition import build_uploader
from tests.fakes.delivery import POLICY, report

MEDIA = MediaInfo(
    container="mov",
    codec="h264",
    width=64,
    height=48,
    pixel_format="yuv420p",
    bit_depth=8,
    time_base=(1, 25),
    frame_count=500,
    first_tick=0,
    duration_seconds=20.0,
    variable_frame_rate=False,
    average_rate=(25, 1),
    key_frames=1,
)


def delivered(container: Container, original: bytes, masked: bytes) -> str:
    """An asset of ``original`` that was assembled as ``masked`` and delivered with its receipt; returns its id."""
    asset_id = assembled(container, original, masked)
    assert build_uploader(container, notice=lambda _text: None)[0].run_once()
    return asset_id


def assembled(container: Container, original: bytes, masked: bytes, *, subject_id: str | None = None) -> str:
    """The same, before delivery."""
    sha256, work = hashlib.sha256(original).hexdigest(), container.work_blobs
    asset_id = container.key_map.asset_pseudonym(sha256)
    container.catalogue.register(NewAsset(asset_id, subject_id, sha256, len(original), POLICY), actor="test")
    timeline = work.put_bytes(f"timelines/{asset_id}.bin", b"ticks")
    chunk = work.put_bytes(f"chunks/{asset_id}/c", b"chunk")
    blob = work.put_bytes(f"masked/{asset_id}/m.mp4", masked)
    whole = Chunk(index=0, span=FrameSpan(0, 500))
    _finish(container, Planned(media=MEDIA, timeline=_artefact(ArtefactKind.TIMELINE, timeline), chunks=(whole,)))
    _finish(container, ChunkMasked(artefact=_artefact(ArtefactKind.CHUNK, chunk, 0), report=report()))
    outcome = Assembled(artefact=_artefact(ArtefactKind.MASKED, blob), md5=blob.md5, report=report(), scrub={"tags": 5})
    _finish(container, outcome)
    return asset_id


def _finish(container: Container, outcome: Outcome) -> None:
    lease = container.catalogue.claim(set(WorkKind) - {WorkKind.DELIVER}, owner="test", lease_seconds=60.0)
    assert lease is not None
    container.catalogue.complete(lease, outcome)


def _artefact(kind: ArtefactKind, stored: StoredBlob, chunk: int = -1) -> Artefact:
    return Artefact(kind, stored.name, stored.sha256, stored.size_bytes, chunk)
