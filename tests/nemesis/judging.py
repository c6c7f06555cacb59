"""What must hold after the storm: every video is home exactly once, as if nothing had happened, with a true receipt."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opendrape.bootstrap import Container
from opendrape.domain.states import ASSET_TERMINAL
from opendrape.domain.work import ArtefactKind, Asset
from opendrape.errors import OpenDrapeError
from opendrape.ports.catalogue import AssetFilter
from opendrape_uploader.receipts import verify

PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Judge:
    """``expected``: SHA-256 of the undisturbed output by the source's SHA-256."""

    container: Container
    expected: Mapping[str, str]

    def wait_for_peace(self) -> list[Asset]:
        """Every accepted asset, once all are terminal."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            assets = self._assets()
            if all(asset.state in ASSET_TERMINAL for asset in assets):
                return assets
            open_ones = {asset.asset_id: str(asset.state) for asset in assets if asset.state not in ASSET_TERMINAL}
            assert time.monotonic() < end, f"not terminal after the storm: {open_ones}"
            time.sleep(0.5)

    def judge(self, folder: Path) -> None:
        """Asserts everything; ``folder`` is for copies."""
        assets = self.wait_for_peace()
        assert {asset.content_sha256 for asset in assets} == set(self.expected), "an accepted video is gone"
        assert {str(asset.state) for asset in assets} == {"delivered"}, [(str(a.state), a.reason) for a in assets]
        for asset in assets:
            self._judge_one(asset, folder)
        outputs = [blob.name for blob in self.container.destination_blobs.list() if blob.name.endswith(".mp4")]
        assert len(outputs) == len(assets), "more or fewer outputs than videos"
        assert not self.container.catalogue.open_items()

    def _judge_one(self, asset: Asset, folder: Path) -> None:
        published = self._only(asset, ArtefactKind.PUBLISHED)
        receipt = self._only(asset, ArtefactKind.RECEIPT)
        with self.container.destination_blobs.open(published) as blob:
            content = blob.read()
        assert hashlib.sha256(content).hexdigest() == self.expected[asset.content_sha256], "not the undisturbed result"
        (folder / Path(published).name).write_bytes(content)
        with self.container.destination_blobs.open(receipt) as blob:
            (folder / Path(receipt).name).write_bytes(blob.read())
        key = self.container.settings.receipt_key_path.with_name("receipt.pem.pub")
        assert verify(folder / Path(receipt).name, public_key=key, output=None).ok

    def _only(self, asset: Asset, kind: ArtefactKind) -> str:
        found = self.container.catalogue.artefacts(asset.asset_id, asset.policy.digest, kind)
        assert len(found) == 1, f"{kind}: {len(found)} of one video"
        return found[0].name

    def _assets(self) -> list[Asset]:
        """A server may just be coming back: asked until it answers."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return list(self.container.catalogue.assets(AssetFilter(limit=1000)))
            except OpenDrapeError:
                assert time.monotonic() < end, "the catalogue never answered again"
                time.sleep(0.5)
