"""O-01, O-03, P-05: the uploader's worker on the real catalogue, key map and folders of one machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape.bootstrap import Container, bootstrap
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.states import AssetState
from opendrape.ports.key_map import SourceRecord
from opendrape.settings import Settings
from opendrape_uploader.composition import build_uploader
from opendrape_uploader.receipt_keys import public_key_path
from opendrape_uploader.receipts import verify
from tests.fakes.delivered import assembled
from tests.fakes.delivery import MASKED, POLICY

ORIGINAL = b"the original"
CONTENT_SHA256 = hashlib.sha256(ORIGINAL).hexdigest()
IDENTITY = ("Dr X - Patient Y 1981", "op.mp4", "4711-0815")
CONTENT_SHA256 = hashlib.sha256(ORIGINAL).hexdigest()
IDENTITY = ("Dr X - Patient Y 1981", "op.mp4", "4711-0815")
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


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = bootstrap(Settings(state_dir=tmp_path / "var", destination=tmp_path / "out"))
    yield made
    made.close()


def test_an_assembled_asset_is_delivered_and_nobody_is_named_anywhere(container: Container, tmp_path: Path) -> None:
    """P-05, D-06: pseudonyms from the map, a verified output, a receipt; no original text outside the sealed rows."""
    asset_id = _assembled(container)
    worker = build_uploader(container, notice=lambda _text: None)[0]
    assert worker.run_once()
    assert container.catalogue.asset(asset_id).state is AssetState.DELIVERED
    names = sorted(entry.name for entry in container.destination_blobs.list())
    label = POLICY.label
    assert names == [f"{asset_id}/{asset_id}_{label}.mp4", f"{asset_id}/{asset_id}_{label}.receipt.json"]
    result = verify(tmp_path / "out" / names[1], public_key=public_key_path(container.settings.receipt_key_path))
    assert result.ok
    assert result.output_checked
    container.close()
    for path in tmp_path.rglob("*"):
        assert not any(word in str(path.relative_to(tmp_path)) for word in IDENTITY)
        assert not path.is_file() or not any(word.encode() in path.read_bytes() for word in IDENTITY)


def _assembled(container: Container) -> str:
    record = SourceRecord(f"/import/{IDENTITY[0]}/{IDENTITY[1]}", 12, 1, CONTENT_SHA256, IDENTITY[2])
    asset_id = container.key_map.asset_pseudonym(CONTENT_SHA256)
    subject_id = container.key_map.subject_pseudonym(IDENTITY[2])
    container.key_map.remember_source(asset_id, record, subject_id=subject_id)
    return assembled(container, ORIGINAL, MASKED, subject_id=subject_id)
