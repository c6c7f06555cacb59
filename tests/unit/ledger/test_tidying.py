"""Intermediate results go after delivery, and only then; a kill in between leaves nothing for ever."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.adapters.sql.catalogue import SqlCatalogue, open_catalogue
from opendrape.domain.states import AssetState
from opendrape.domain.work import Artefact, ArtefactKind, Assembled, ChunkMasked, Delivered, Failure, Planned, WorkKind
from opendrape.errors import CatalogueUnavailable, Disposition, StorageUnavailable
from opendrape.ledger import tidying
from opendrape.ledger.redelivery import Redelivery
from opendrape.ledger.tidying import Tidier
from opendrape.ports.blobs import BlobStore
from opendrape.ports.catalogue import Spent
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.catalogue import FACES, RETRY, media, memory_catalogue, new_asset, planned, report
from tests.fakes.clock import FakeClock
from tests.fakes.killing import kill_points, killed_at

ASSET = new_asset().asset_id


class Bench:
    """A catalogue, a work folder and a destination, with workers that store what they bring."""

    def __init__(self, catalogue: SqlCatalogue, work: BlobStore, destination: BlobStore) -> None:
        self.catalogue, self.work, self.destination = catalogue, work, destination

    def close(self) -> None:
        self.catalogue.close()

    def tidier(self) -> Tidier:
        return Tidier(self.catalogue, self.work, every_seconds=0.001)

    def redelivery(self, destination: BlobStore | None = None) -> Redelivery:
        return Redelivery(self.catalogue, self.work, destination or self.destination)

    def work_until(self, last: WorkKind = WorkKind.DELIVER) -> list[WorkKind]:
        """Do what is due, up to and with the ``last`` kind; the kinds that were done."""
        done: list[WorkKind] = []
        while last not in done and (lease := self.catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0)):
            self.catalogue.complete(lease, self._outcome(lease.kind, lease.chunk))
            done.append(lease.kind)
        return done

    def names(self) -> set[str]:
        return {blob.name for blob in self.work.list()}

    def _outcome(self, kind: WorkKind, chunk: int) -> Planned | ChunkMasked | Assembled | Delivered:
        match kind:
            case WorkKind.PLAN:
                timeline = self._stored(ArtefactKind.TIMELINE, f"timelines/{ASSET}.bin")
                return Planned(media=media(2), timeline=timeline, chunks=planned(2).chunks)
            case WorkKind.MASK:
                name = f"chunks/{ASSET}/{FACES.label}/{chunk:05d}-abc"
                return ChunkMasked(artefact=self._stored(ArtefactKind.CHUNK, name, chunk), report=report())
            case WorkKind.ASSEMBLE:
                masked = self._stored(ArtefactKind.MASKED, f"masked/{ASSET}/{FACES.label}-abc.mp4")
                return Assembled(artefact=masked, md5="0" * 32, report=report(100), scrub={})
            case _:
                self.work.put_bytes(f"receipts/{ASSET}/{FACES.label}.json", b"receipt")
                return Delivered(published=self._delivered("mp4"), receipt=self._delivered("receipt.json"))

    def _stored(self, kind: ArtefactKind, name: str, chunk: int = -1) -> Artefact:
        blob = self.work.put_bytes(name, name.encode())
        return Artefact(kind, blob.name, blob.sha256, blob.size_bytes, chunk)

    def _delivered(self, ending: str) -> Artefact:
        blob = self.destination.put_bytes(f"{ASSET}/{ASSET}.{ending}", ending.encode())
        kind = ArtefactKind.PUBLISHED if ending == "mp4" else ArtefactKind.RECEIPT
        return Artefact(kind, blob.name, blob.sha256, blob.size_bytes)


def _on_disk(folder: Path) -> Bench:
    folder.mkdir(exist_ok=True)
    catalogue = open_catalogue(f"sqlite:///{folder}/catalogue.sqlite3", clock=FakeClock(), retry=RETRY)
    return Bench(catalogue, LocalBlobStore(folder / "work"), LocalBlobStore(folder / "out"))


@pytest.fixture
def bench() -> Iterator[Bench]:
    with closing(Bench(memory_catalogue(FakeClock()), MemoryBlobs(), MemoryBlobs())) as bench:
        bench.catalogue.register(new_asset(), actor="ingest")
        yield bench


KEPT = {f"timelines/{ASSET}.bin", f"receipts/{ASSET}/{FACES.label}.json", "policies/abc.json"}


def test_after_delivery_only_timeline_receipt_and_policy_stay(bench: Bench) -> None:
    """O-03: the work folder does not double the disk's use."""
    bench.work.put_bytes("policies/abc.json", b"policy")
    bench.work_until(WorkKind.ASSEMBLE)
    before = bench.names()
    assert (bench.tidier().tidy(), bench.tidier().sweep_orphans()) == (0, 0)
    assert bench.names() == before
    bench.work_until()
    assert bench.tidier().tidy() == 3
    assert bench.names() == KEPT
    assert (bench.tidier().tidy(), bench.tidier().sweep_orphans()) == (0, 0)


def test_killed_anywhere_while_tidying_the_next_start_removes_the_rest_and_nothing_else(tmp_path: Path) -> None:
    """C-02: the rows go first, so that no row ever refers to bytes that are gone."""
    with closing(_on_disk(tmp_path / "before")) as delivered:
        delivered.catalogue.register(new_asset(), actor="ingest")
        delivered.work_until()

    def tidy(folder: Path) -> None:
        with closing(_on_disk(folder)) as bench:
            bench.tidier().tidy()

    def work(number: int) -> Callable[[], None]:
        return lambda: tidy(Path(shutil.copytree(tmp_path / "before", tmp_path / str(number))))

    points = kill_points(work(0), [tidying.__name__], at_most=40)
    left = []
    for line in points:
        assert killed_at(work(line), [tidying.__name__], line)
        with closing(_on_disk(tmp_path / str(line))) as bench:
            referred = {name for name in bench.catalogue.artefact_names(ASSET) if name.startswith(tidying.FOLDERS)}
            assert referred <= bench.names(), "a row refers to bytes that are gone"
            left.append(bench.tidier().sweep_orphans())
            bench.tidier().tidy()
            assert bench.names() == KEPT - {"policies/abc.json"}
    assert set(left) == {0, 1, 2, 3}, "the kills missed something"


def test_what_a_lost_worker_stored_without_a_row_is_swept_also_of_unknown_assets(bench: Bench) -> None:
    bench.work_until(WorkKind.PLAN)
    for name in (f"chunks/{ASSET}/faces-1/00000-late", "masked/ar-unknown/x.mp4", "timelines/ar-unknown.bin"):
        bench.work.put_bytes(name, b"late")
    assert bench.tidier().sweep_orphans() == 3
    assert bench.names() == {f"timelines/{ASSET}.bin"}


def test_bytes_that_a_new_journey_stored_under_the_same_name_stay(bench: Bench) -> None:
    """O-03: names follow from content: the second journey's chunk is the first one's."""
    bench.work_until()
    forget = bench.catalogue.forget_results

    def overtaken(asset_id: str, policy_digest: str, *, actor: str) -> object:
        forgotten = forget(asset_id, policy_digest, actor=actor)
        bench.catalogue.deliver_again(ASSET, actor="person")
        bench.work_until(WorkKind.ASSEMBLE)
        return forgotten

    bench.catalogue.forget_results = overtaken  # type: ignore[method-assign,assignment]
    assert bench.tidier().tidy() == 0
    assert bench.work_until() == [WorkKind.DELIVER]


def test_an_asset_that_set_out_again_meanwhile_is_left_alone(bench: Bench) -> None:
    bench.work_until()
    bench.catalogue.spent = lambda: [Spent(ASSET, FACES.digest)]  # type: ignore[method-assign]
    bench.catalogue.deliver_again(ASSET, actor="person")
    assert bench.tidier().tidy() == 0
    assert bench.work_until() == [WorkKind.DELIVER]


@pytest.mark.parametrize("error", [CatalogueUnavailable(), StorageUnavailable()])
def test_the_tidier_outlives_an_outage(bench: Bench, error: Exception) -> None:
    """O-02: asked again later."""
    stop, spent, calls = threading.Event(), bench.catalogue.spent, []

    def flaky() -> object:
        calls.append(1)
        if len(calls) == 1:
            raise error
        stop.set()
        return spent()

    bench.work_until()
    bench.catalogue.spent = flaky  # type: ignore[method-assign,assignment]
    bench.tidier().run(stop)
    assert len(calls) == 2
    assert bench.catalogue.spent is flaky
    assert not spent()


class TestRedelivery:
    """D-02: what is not where it was delivered to is delivered again, at the least cost, and overwrites nothing."""

    def test_nothing_happens_while_everything_is_there(self, bench: Bench) -> None:
        assert not bench.redelivery().deliver_missing(ASSET, actor="cli")
        bench.work_until()
        before = bench.catalogue.audit_events()
        assert not bench.redelivery().deliver_missing(ASSET, actor="cli")
        assert bench.catalogue.audit_events() == before

    @pytest.mark.parametrize("gone", ["mp4", "receipt.json"])
    def test_a_missing_half_is_enough(self, bench: Bench, gone: str) -> None:
        bench.work_until()
        bench.destination.delete(f"{ASSET}/{ASSET}.{gone}")
        assert bench.redelivery().deliver_missing(ASSET, actor="cli")
        assert bench.work_until() == [WorkKind.DELIVER]
        assert not bench.redelivery().deliver_missing(ASSET, actor="cli")

    def test_a_half_that_was_changed_is_left_to_a_person(self, bench: Bench) -> None:
        bench.work_until()
        for ending in ("mp4", "receipt.json"):
            bench.destination.delete(f"{ASSET}/{ASSET}.{ending}")
        bench.destination.put_bytes(f"{ASSET}/{ASSET}.mp4", b"another film")
        assert not bench.redelivery().deliver_missing(ASSET, actor="cli")

    @pytest.mark.parametrize("lost_by", ["tidier", "accident"])
    def test_without_the_masked_file_it_is_masked_again(self, bench: Bench, lost_by: str) -> None:
        bench.work_until()
        if lost_by == "tidier":
            bench.tidier().tidy()
        else:
            for name in bench.names():
                bench.work.delete(name)
        assert bench.redelivery(MemoryBlobs()).deliver_missing(ASSET, actor="cli")
        assert bench.work_until() == [
            WorkKind.PLAN,
            WorkKind.MASK,
            WorkKind.MASK,
            WorkKind.ASSEMBLE,
            WorkKind.DELIVER,
        ]

    @pytest.mark.parametrize("reason", ["masked_damaged", "masked_missing", "chunk_damaged", "chunk_missing"])
    def test_a_retry_takes_damaged_results_out_of_the_way(self, bench: Bench, reason: str) -> None:
        """O-04: a damaged blob has the very name that its sound successor will have."""
        bench.work_until(WorkKind.ASSEMBLE)
        lease = bench.catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0)
        assert lease is not None
        damaged = [name for name in bench.names() if name.startswith(("chunks/", "masked/"))]
        for name in damaged:
            bench.work.delete(name)
            bench.work.put_bytes(name, b"rotten")
        bench.catalogue.fail(lease, Failure(reason, Disposition.FAIL))
        bench.redelivery().retry(ASSET, actor="cli")
        assert bench.work_until()[-1] is WorkKind.DELIVER
        assert bench.catalogue.asset(ASSET).state is AssetState.DELIVERED

    def test_a_retry_for_another_reason_keeps_what_is_done(self, bench: Bench) -> None:
        bench.work_until(WorkKind.ASSEMBLE)
        lease = bench.catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0)
        assert lease is not None
        bench.catalogue.fail(lease, Failure("blob_conflict", Disposition.FAIL))
        bench.redelivery().retry(ASSET, actor="cli")
        assert WorkKind.MASK not in bench.work_until()
