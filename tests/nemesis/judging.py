"""What must hold after the storm: every video is home exactly once, as if nothing had happened, with a true receipt."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opendrape.bootstrap import Container
from opendrape.domain.states import ASSET_TERMINAL, AssetState
from opendrape.domain.work import RESULTS_IN_DOUBT, ArtefactKind, Asset
from opendrape.errors import OpenDrapeError
from opendrape.ledger.redelivery import Redelivery
from opendrape.metrics import Metrics
from opendrape.ports.catalogue import AssetFilter
from opendrape_uploader.receipt_keys import read_public_key
from opendrape_uploader.receipts import verify
from opendrape_uploader.stored import StoredCheck, StoredVerdict

PATIENCE_SECONDS = 240.0
_DAMAGED = RESULTS_IN_DOUBT | {"timeline_damaged"}
_SAMPLE = 3
_PAGE = 1000


@dataclass(frozen=True)
class Judge:
    """``expected``: SHA-256 of the undisturbed output by the source's SHA-256. ``flip``: changes one bit of a published
    blob, and back the second time. ``rotten``: the videos whose intermediate results were damaged at rest.
    """

    container: Container
    expected: Mapping[str, str]
    flip: Callable[[str], object]
    rotten: Collection[str] = field(default=frozenset())

    def judge(self, folder: Path) -> None:
        """Asserts everything; ``folder`` is for copies."""
        assets = self._all_delivered()
        assert {asset.content_sha256 for asset in assets} == set(self.expected), "an accepted video is gone"
        for asset in assets:
            self._judge_one(asset, folder)
        outputs = [blob.name for blob in self.container.destination_blobs.list() if blob.name.endswith(".mp4")]
        assert len(outputs) == len(assets), "more or fewer outputs than videos"
        assert not self.container.catalogue.open_items()
        print("attempts of the items:", dict(sorted(self._attempts(assets).items())))
        self._judge_what_lies_there(outputs)
        self._judge_audit(assets)

    def _all_delivered(self) -> list[Asset]:
        """Only damaged results may have stopped a video, and then a person's word is enough to bring it home."""
        assets = self._wait_for_peace()
        stopped = [asset for asset in assets if asset.state is not AssetState.DELIVERED]
        for asset in stopped:
            said = f"{asset.state}: {asset.reason}"
            assert asset.asset_id in self.rotten, f"stopped without need, {said}"
            assert asset.state is AssetState.FAILED, said
            assert asset.reason in _DAMAGED, said
            redelivery = Redelivery(
                self.container.catalogue, self.container.work_blobs, self.container.destination_blobs
            )
            redelivery.retry(asset.asset_id, actor="test")
        print(f"damaged at rest: {len(self.rotten)} videos, of which {len(stopped)} stopped and were tried again")
        assets = self._wait_for_peace()
        assert {str(asset.state) for asset in assets} == {"delivered"}, [(str(a.state), a.reason) for a in assets]
        return assets

    def _wait_for_peace(self) -> list[Asset]:
        """Every accepted asset, once all are terminal."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            assets = self._assets()
            open_ones = {asset.asset_id: str(asset.state) for asset in assets if asset.state not in ASSET_TERMINAL}
            if not open_ones and len(assets) >= len(self.expected):  # an accepted upload is taken up by and by
                return assets
            assert time.monotonic() < end, f"{len(assets)} videos, not terminal: {open_ones}"
            time.sleep(0.5)

    def _judge_one(self, asset: Asset, folder: Path) -> None:
        published = self._only(asset, ArtefactKind.PUBLISHED)
        receipt = self._only(asset, ArtefactKind.RECEIPT)
        with self.container.destination_blobs.open(published) as blob:
            content = blob.read()
        assert hashlib.sha256(content).hexdigest() == self.expected[asset.content_sha256], "not the undisturbed result"
        (folder / Path(published).name).write_bytes(content)
        with self.container.destination_blobs.open(receipt) as blob:
            (folder / Path(receipt).name).write_bytes(blob.read())
        assert verify(folder / Path(receipt).name, public_key=self._public_key, output=None).ok

    def _judge_what_lies_there(self, outputs: list[str]) -> None:
        """Everything is intact; of a few outputs one bit is changed: exactly these are told, until it is changed back.

        What ``opendrape blobs verify`` asks.
        """
        assert self._damaged() == set()
        sample = set(outputs[:_SAMPLE])
        for name in sample:
            self.flip(name)
        assert self._damaged() == sample
        for name in sample:
            self.flip(name)
        assert self._damaged() == set()

    def _damaged(self) -> set[str]:
        key = read_public_key(self._public_key)
        checked = list(StoredCheck(self.container.destination_blobs, self.container.catalogue, key).run())
        assert {one.verdict for one in checked} <= {StoredVerdict.INTACT, StoredVerdict.DAMAGED}, checked
        return {one.name for one in checked if one.verdict is StoredVerdict.DAMAGED}

    def _judge_audit(self, assets: list[Asset]) -> None:
        """The chain is whole to the last event, anchored, and tells of every video how it came and left."""
        office = self.container.audit
        office.sealer(Metrics()).tick(anchor_now=True)
        report = office.verify()
        assert report.is_whole, report.findings
        assert report.anchors
        assert report.sealed
        told = self._told()
        for asset in assets:
            assert {"asset.registered", "asset.delivered"} <= told[asset.asset_id], told[asset.asset_id]
        print(f"audit: {report.sealed} events sealed, {report.unsealed} not yet, {report.anchors} anchors, whole")

    def _attempts(self, assets: list[Asset]) -> Counter[int]:
        items = (item for asset in assets for item in self.container.catalogue.work_items(asset.asset_id))
        return Counter(item.attempts for item in items)

    def _told(self) -> dict[str, set[str]]:
        """The actions that the sealed audit tells of each object."""
        told: dict[str, set[str]] = defaultdict(set)
        after = 0
        while page := self.container.audit.trail.events(after=after, limit=_PAGE):
            for stored, seal in page:
                if seal is not None:
                    told[stored.event.object_id].add(stored.event.action)
            after = page[-1][0].event_id
        return told

    @property
    def _public_key(self) -> Path:
        return self.container.settings.receipt_key_path.with_name("receipt.pem.pub")

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
