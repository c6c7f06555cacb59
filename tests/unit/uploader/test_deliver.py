"""D-01, D-03, O-03: an output is delivered once, verified, with one receipt, also when killed and tried again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.domain.work import Artefact, ArtefactKind, Planned
from opendrape.errors import BlobConflict, PermanentError, StaleLease
from opendrape.ports.blobs import StoredBlob
from opendrape_uploader.deliver import DeliverHandler
from opendrape_uploader.receipts import verify
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.delivery import ASSET_ID, LEASE, MASKED, OUTPUT, POLICY, RECEIPT, Delivery
from tests.fakes.killing import kill_points, killed_at

CODE = ("opendrape_uploader.deliver", "opendrape_uploader.signed_receipt", "opendrape.adapters.local_blobs")


def test_output_and_receipt_lie_side_by_side_under_the_pseudonym() -> None:
    """D-01, P-05: names are made of pseudonym and policy alone."""
    delivery = Delivery()
    outcome = delivery.deliver()
    assert delivery.published().keys() == {OUTPUT, RECEIPT}
    assert delivery.read(OUTPUT) == MASKED
    assert (outcome.published.kind, outcome.published.name) == (ArtefactKind.PUBLISHED, OUTPUT)
    assert (outcome.receipt.kind, outcome.receipt.name) == (ArtefactKind.RECEIPT, RECEIPT)
    assert outcome.published.sha256 == delivery.assembled.artefact.sha256
    assert outcome.receipt == outcome.receipt.__class__(
        ArtefactKind.RECEIPT, RECEIPT, delivery.destination.digest(RECEIPT).sha256, len(delivery.read(RECEIPT))
    )


def test_a_receipt_holds_the_facts_of_this_delivery() -> None:
    """D-06: input and output digests, policy, models, counts, read-back."""
    delivery = Delivery()
    delivery.deliver()
    receipt = json.loads(delivery.read(RECEIPT))["receipt"]
    stored = delivery.destination.digest(OUTPUT)
    assert (receipt["asset"], receipt["subject"]) == (ASSET_ID, delivery.asset.subject_id)
    assert receipt["input"] == {"sha256": delivery.asset.content_sha256, "size_bytes": 12}
    output = {"name": OUTPUT, "sha256": stored.sha256, "md5": stored.md5, "size_bytes": len(MASKED)}
    assert receipt["output"] == output
    assert receipt["policy"] == POLICY.model_dump()
    assert receipt["report"]["seconds"] == {"decode": 1.235, "detect": 0.333}
    assert receipt["report"]["detections"] == {"face": 80}
    assert len(receipt["report"]["models"]) == 3
    assert receipt["scrub"] == delivery.assembled.scrub
    assert receipt["reviewer"] is None
    assert receipt["issued_at"] == "2026-03-01T12:30:15+00:00"
    assert receipt["delivery"] == {
        "method": "read_back_full",
        "sha256": stored.sha256,
        "size_bytes": len(MASKED),
        "verified_at": "2026-03-01T12:30:15+00:00",
    }


def test_a_redelivery_publishes_the_same_receipt() -> None:
    """O-03: the same item handled again, later, changes nothing."""
    delivery = Delivery()
    first, before = delivery.deliver(), delivery.published()
    delivery.now += timedelta(hours=1)
    assert delivery.deliver() == first
    assert delivery.published() == before


def test_a_receipt_at_the_destination_is_kept_when_the_work_folder_was_lost() -> None:
    """D-03: what is there with the same content counts as done."""
    delivery = Delivery()
    first, before = delivery.deliver(), delivery.published()
    later = Delivery(destination=delivery.destination)
    later.now += timedelta(days=1)
    assert later.deliver() == first
    assert later.published() == before


@pytest.mark.parametrize("content", [b"rubbish", b"{}"])
def test_a_foreign_file_in_the_receipts_place_is_a_conflict(content: bytes) -> None:
    """D-03: never overwrites."""
    delivery = Delivery()
    delivery.destination.put_bytes(RECEIPT, content)
    with pytest.raises(BlobConflict):
        delivery.deliver()
    assert delivery.read(RECEIPT) == content


def test_another_output_in_the_place_is_a_conflict_and_gets_no_receipt() -> None:
    """D-03: another digest under the name is reported, not replaced."""
    delivery = Delivery()
    delivery.destination.put_bytes(OUTPUT, b"something else")
    with pytest.raises(BlobConflict):
        delivery.deliver()
    assert delivery.published() == {OUTPUT: b"something else"}


def test_of_two_workers_the_first_receipt_counts() -> None:
    """O-03: a paused worker and its successor publish one receipt."""
    first = Delivery()
    first.deliver()
    kept = next(entry.name for entry in first.work.list("receipts/"))

    class Raced(MemoryBlobs):
        def put_bytes(self, name: str, content: bytes) -> StoredBlob:
            if name == kept and not self.exists(kept):
                with first.work.open(kept) as blob:
                    super().put_bytes(name, blob.read())
            return super().put_bytes(name, content)

    second = Delivery(work=Raced())
    second.now += timedelta(seconds=5)
    second.deliver()
    assert second.published() == first.published()


@pytest.mark.parametrize("seen", [True, False])
def test_a_damaged_kept_receipt_is_not_published_but_mended(seen: bool) -> None:
    """D-06, O-03: by what was published before, if it is sound; else the facts are signed anew."""
    first = Delivery()
    first.deliver()
    kept = next(entry.name for entry in first.work.list("receipts/"))
    again = Delivery(destination=first.destination if seen else MemoryBlobs())
    again.now += timedelta(hours=1)
    again.work.put_bytes(kept, first.read(RECEIPT).replace(b'"frames": 500', b'"frames": 501'))
    again.deliver()
    receipt = json.loads(again.read(RECEIPT))["receipt"]
    assert receipt["report"]["frames"] == 500
    assert receipt["issued_at"] == f"2026-03-01T1{2 if seen else 3}:30:15+00:00"
    assert (again.published() == first.published()) is seen
    with again.work.open(kept) as blob:
        assert blob.read() == again.read(RECEIPT)


def test_whichever_bit_of_a_kept_receipt_flipped_what_is_published_is_genuine(tmp_path: Path) -> None:
    """D-06: a flip that JSON does not notice is noticed by the signature, or changes nothing that is signed."""
    first = Delivery()
    first.deliver()
    kept, sound = next(entry.name for entry in first.work.list("receipts/")), first.read(RECEIPT)
    for place in range(0, len(sound), 29):
        again = Delivery()
        again.work.put_bytes(kept, sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        again.deliver()
        (tmp_path / "receipt.json").write_bytes(again.read(RECEIPT))
        told = verify(tmp_path / "receipt.json")
        assert (told.ok, told.key_id) == (True, first.signing_key.public.key_id)


def test_a_receipt_of_something_else_at_the_destination_stays_as_it_is() -> None:
    """D-03: mending what is kept never writes over what was published."""
    delivery = Delivery()
    delivery.destination.put_bytes(RECEIPT, b"somebody's")
    with pytest.raises(BlobConflict):
        delivery.deliver()
    assert delivery.read(RECEIPT) == b"somebody's"


def test_masked_bytes_that_rotted_before_delivery_are_found(tmp_path: Path) -> None:
    """D-02: one flipped byte of equal length in the work folder: nothing is published."""
    delivery = Delivery(work=LocalBlobStore(tmp_path / "work"), destination=LocalBlobStore(tmp_path / "out"))
    _flip(tmp_path / "work" / "masked" / "video.mp4")
    with pytest.raises(PermanentError) as caught:  # reading it again would not help
        delivery.deliver()
    assert caught.value.reason == "masked_damaged"
    assert delivery.published() == {}


def test_a_masked_file_that_is_gone_is_told_as_such() -> None:
    """D-02: the reason says that it must be made again."""
    delivery = Delivery()
    delivery.work.delete("masked/video.mp4")
    with pytest.raises(PermanentError) as caught:
        delivery.deliver()
    assert caught.value.reason == "masked_missing"


@pytest.mark.parametrize(("published", "reason"), [(b"other bytes", "already_published"), (MASKED, None)])
def test_another_destination_gets_the_bytes_that_were_delivered_or_nothing(
    published: bytes, reason: str | None
) -> None:
    """D-02, O-03: one output per asset and policy; a second one is refused before anything is visible."""
    delivery = Delivery()
    before = Artefact(ArtefactKind.PUBLISHED, OUTPUT, hashlib.sha256(published).hexdigest(), len(published))
    delivery.published_before = (before,)
    if reason is None:
        delivery.deliver()
        assert set(delivery.published()) == {OUTPUT, RECEIPT}
        return
    with pytest.raises(BlobConflict) as caught:
        delivery.deliver()
    assert caught.value.reason == reason
    assert delivery.published() == {}


def test_a_byte_that_flips_at_the_destination_is_found(tmp_path: Path) -> None:
    """D-02: one flipped byte of equal length on the server is found by the receipt and by a redelivery."""
    delivery = Delivery(destination=LocalBlobStore(tmp_path))
    delivery.deliver()
    assert verify(tmp_path / RECEIPT).ok
    _flip(tmp_path / OUTPUT)
    assert verify(tmp_path / RECEIPT).verdict == "output_differs"
    with pytest.raises(BlobConflict):
        delivery.deliver()


@pytest.mark.parametrize("outcome", ["none", "planned", "not masked"])
def test_only_masked_artefacts_are_ever_delivered(outcome: str) -> None:
    """O-03: nothing unmasked is published, whatever the catalogue says."""
    delivery = Delivery()
    artefact = delivery.assembled.artefact
    raw = artefact.__class__(ArtefactKind.CHUNK, artefact.name, artefact.sha256, artefact.size_bytes)
    delivery.assembled = {
        "none": None,
        "planned": Planned.model_construct(),
        "not masked": delivery.assembled.model_copy(update={"artefact": raw}),
    }[outcome]
    with pytest.raises(PermanentError) as caught:
        delivery.deliver()
    assert caught.value.reason == "not_assembled"
    assert delivery.published() == {}


def test_an_output_that_the_catalogue_describes_otherwise_gets_no_receipt() -> None:
    delivery = Delivery()
    delivery.assembled = delivery.assembled.model_copy(update={"md5": "0" * 32})
    with pytest.raises(PermanentError) as caught:
        delivery.deliver()
    assert caught.value.reason == "output_differs"
    assert RECEIPT not in delivery.published()


@pytest.mark.parametrize(("limit", "seen"), [(0.0, set()), (0.6, {OUTPUT}), (0.8, {OUTPUT})])
def test_a_worker_that_lost_its_lease_stops_at_the_next_step(limit: float, seen: set[str]) -> None:
    """O-03: an old owner publishes no receipt."""

    def progress(fraction: float) -> None:
        if fraction > limit:
            raise StaleLease

    delivery = Delivery()
    with pytest.raises(StaleLease):
        delivery.handler().handle(LEASE, progress)
    assert delivery.published().keys() == seen


def test_a_delivery_killed_at_any_line_is_finished_by_the_next(tmp_path: Path) -> None:
    """O-03, D-03: kill -9 anywhere: only whole outputs are visible, a receipt never before its output, never two."""

    def bench(folder: Path) -> Delivery:
        return Delivery(work=LocalBlobStore(folder / "work"), destination=LocalBlobStore(folder / "out"))

    def work_in(folder: Path) -> Callable[[], object]:
        made = bench(folder)
        return lambda: made.handler().handle(LEASE, lambda _fraction: None)

    for line in kill_points(work_in(tmp_path / "counted"), CODE, at_most=40):
        folder = tmp_path / str(line)
        assert killed_at(work_in(folder), CODE, line)
        after = bench(folder)
        visible = after.published()
        assert list(visible) in ([], [OUTPUT], [OUTPUT, RECEIPT])
        assert visible.get(OUTPUT, MASKED) == MASKED
        after.now += timedelta(minutes=3)
        after.deliver()
        assert after.published().keys() == {OUTPUT, RECEIPT}
        assert after.published()[RECEIPT] == visible.get(RECEIPT, after.published()[RECEIPT])
        assert verify(folder / "out" / RECEIPT).ok
        assert verify(folder / "out" / RECEIPT).output_checked


def test_it_does_deliver_items_and_no_others() -> None:
    assert {kind.value for kind in DeliverHandler.kinds} == {"deliver"}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
