"""What a delivery starts from: an assembled video, a lease, a catalogue that knows both, and stores to choose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opendrape.domain.policy import PolicyRef
from opendrape.domain.regions import CheckResult, FrameAccount, MaskReport, ModelUse, ResidualFinding
from opendrape.domain.states import AssetState
from opendrape.domain.work import Artefact, ArtefactKind, Assembled, Asset, Lease, WorkKind
from opendrape.ports.blobs import BlobStore
from opendrape_uploader.deliver import DeliverHandler
from opendrape_uploader.receipt_keys import SigningKey
from tests.fakes.blobs import MemoryBlobs

POLICY = PolicyRef(name="faces", digest="1a2b3c4d" + "0" * 56)
ASSET_ID = "ar-" + "x" * 26
OUTPUT = f"{ASSET_ID}/{ASSET_ID}_faces-1a2b3c4d.mp4"
RECEIPT = f"{ASSET_ID}/{ASSET_ID}_faces-1a2b3c4d.receipt.json"
MASKED = b"masked video " * 5000
LEASE = Lease(7, ASSET_ID, WorkKind.DELIVER, -1, POLICY, epoch=1, attempts=1, owner="uploader-test")


def model(role: str, purpose: str, sha256: str = "aa" * 32) -> ModelUse:
    return ModelUse(role=role, model=f"model-of-{role}", sha256=sha256, purpose=purpose, long_side_pixels=(640,))


def report(*models: ModelUse, findings: tuple[ResidualFinding, ...] = (), psnr: float | None = 41.23456) -> MaskReport:
    return MaskReport(
        frames=500,
        masked_frames=120,
        detections={"face": 80},
        tracks={"face": 2},
        accounts={"face": FrameAccount(examined=100, inside_track=300, bracketed=100)},
        models=models or (model("face", "detect"), model("text", "detect"), model("face", "residual", "bb" * 32)),
        checks=CheckResult(frames_checked=500, worst_psnr_db=psnr, residual_findings=findings),
        seconds={"decode": 1.23456789, "detect": 1 / 3},
        peak_memory_bytes=12345678,
    )


@dataclass
class Delivery:
    """A bench with everything that a delivery touches."""

    work: BlobStore = field(default_factory=MemoryBlobs)
    destination: BlobStore = field(default_factory=MemoryBlobs)
    signing_key: SigningKey = field(default_factory=lambda: SigningKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32)))
    now: datetime = datetime(2026, 3, 1, 12, 30, 15, 999, tzinfo=UTC)
    assembled: Any = None
    published_before: tuple[Artefact, ...] = ()

    def __post_init__(self) -> None:
        blob = self.work.put_bytes("masked/video.mp4", MASKED)
        artefact = Artefact(ArtefactKind.MASKED, blob.name, blob.sha256, blob.size_bytes)
        scrub = {"audio_streams": 1, "tags": 5}
        self.assembled = Assembled(artefact=artefact, md5=blob.md5, report=report(), scrub=scrub)
        known_sha = hashlib.sha256(b"the original").hexdigest()
        state = AssetState.DELIVERING
        self.asset = Asset(ASSET_ID, "sr-" + "y" * 26, known_sha, 12, state, None, POLICY, self.now, self.now)

    def handler(self) -> DeliverHandler:
        catalogue: Any = SimpleNamespace(
            assembled=lambda *_: self.assembled, asset=lambda _: self.asset, artefacts=lambda *_: self.published_before
        )
        clock: Any = SimpleNamespace(now=lambda: self.now, monotonic=lambda: 0.0)
        return DeliverHandler(
            catalogue=catalogue,
            work_blobs=self.work,
            destination=self.destination,
            signing_key=self.signing_key,
            clock=clock,
        )

    def deliver(self) -> Any:
        return self.handler().handle(LEASE, lambda _fraction: None)

    def read(self, name: str) -> bytes:
        with self.destination.open(name) as blob:
            return blob.read()

    def published(self) -> dict[str, bytes]:
        return {entry.name: self.read(entry.name) for entry in self.destination.list()}
