"""What every catalogue must keep about assets and their journey: subclasses say how an empty one is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import ArtefactKind, Assembled, Failure, Lease, WorkKind
from opendrape.errors import BlobConflict, Disposition, IllegalTransition, NotFound
from opendrape.ports.catalogue import AssetFilter, Catalogue, Spent
from tests.fakes.catalogue import FACES, MINIMAL, media, new_asset, outcome, planned, report
from tests.fakes.clock import FakeClock


class CatalogueSteps:
    """A catalogue on a fake clock, and the steps that tests are made of."""

    def make(self, folder: Path, clock: FakeClock) -> AbstractContextManager[Catalogue]:
        """An empty catalogue with ``tests.fakes.catalogue.RETRY``: three attempts, two seconds, doubling."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def catalogue(self, tmp_path: Path, clock: FakeClock) -> Iterator[Catalogue]:
        with self.make(tmp_path, clock) as catalogue:
            yield catalogue

    @pytest.fixture
    def asset_id(self, catalogue: Catalogue) -> str:
        return catalogue.register(new_asset(), actor="ingest").asset.asset_id


def claim(catalogue: Catalogue, *kinds: WorkKind, owner: str = "worker", lease_seconds: float = 30.0) -> Lease:
    """Claim an item that must be there."""
    lease = catalogue.claim(kinds or WorkKind, owner=owner, lease_seconds=lease_seconds)
    assert lease is not None
    return lease


def finish(catalogue: Catalogue, *kinds: WorkKind, chunks: int = 2, content: str = "") -> Lease:
    """Claim an item and complete it well."""
    lease = claim(catalogue, *kinds)
    catalogue.complete(lease, outcome(lease, chunks=chunks, content=content))
    return lease


def finish_everything(catalogue: Catalogue, *, chunks: int = 2, content: str = "") -> list[WorkKind]:
    """Work until nothing is due; the kinds in the order they were done."""
    done = []
    while lease := catalogue.claim(WorkKind, owner="worker", lease_seconds=30.0):
        catalogue.complete(lease, outcome(lease, chunks=chunks, content=content))
        done.append(lease.kind)
    return done


def give_up(catalogue: Catalogue, lease: Lease, reason: str = "media_refused") -> None:
    """End an item for good."""
    catalogue.fail(lease, Failure(reason, Disposition.FAIL))


class AssetContract(CatalogueSteps):
    """I-02, I-06, H-04, H-09: registration, plan, progression and results."""

    def test_new_content_is_accepted_and_queued_for_planning(self, catalogue: Catalogue) -> None:
        answer = catalogue.register(new_asset(), actor="ingest")
        assert answer.accepted
        assert (answer.asset.state, answer.asset.policy) == (AssetState.REGISTERED, FACES)
        [item] = catalogue.work_items(answer.asset.asset_id)
        assert (item.kind, item.state, item.chunk) == (WorkKind.PLAN, WorkState.QUEUED, -1)

    def test_known_content_under_the_same_policy_changes_nothing(self, catalogue: Catalogue, asset_id: str) -> None:
        """I-02: the same content is never processed twice, whatever became of it."""
        give_up(catalogue, claim(catalogue))
        before = catalogue.audit_events()
        answer = catalogue.register(new_asset(), actor="ingest")
        assert (answer.accepted, answer.asset.state) == (False, AssetState.FAILED)
        assert catalogue.audit_events() == before

    def test_another_policy_is_accepted_only_when_the_journey_is_over(
        self, catalogue: Catalogue, asset_id: str
    ) -> None:
        assert not catalogue.register(new_asset(policy=MINIMAL), actor="ingest").accepted
        finish_everything(catalogue)
        answer = catalogue.register(new_asset(policy=MINIMAL), actor="ingest")
        assert (answer.accepted, answer.asset.state, answer.asset.policy) == (True, AssetState.REGISTERED, MINIMAL)
        assert [item.policy for item in catalogue.work_items(asset_id)] == [MINIMAL]

    def test_a_video_is_planned_masked_in_chunks_assembled_and_delivered(
        self, catalogue: Catalogue, asset_id: str
    ) -> None:
        """I-06: one item per chunk; the whole only when every chunk is done."""
        kinds = [WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK, WorkKind.MASK, WorkKind.ASSEMBLE, WorkKind.DELIVER]
        assert finish_everything(catalogue, chunks=3) == kinds
        assert catalogue.asset(asset_id).state is AssetState.DELIVERED
        assert catalogue.open_items() == 0

    def test_nothing_is_assembled_before_the_last_chunk(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        finish(catalogue, WorkKind.MASK)
        assert catalogue.claim([WorkKind.ASSEMBLE], owner="worker", lease_seconds=30.0) is None
        assert catalogue.asset(asset_id).state is AssetState.MASKING

    def test_what_the_probe_said_and_the_plan_are_kept(self, catalogue: Catalogue, asset_id: str) -> None:
        assert catalogue.media_info(asset_id) is None
        assert list(catalogue.chunks(asset_id)) == []
        finish(catalogue, WorkKind.PLAN)
        assert catalogue.media_info(asset_id) == media(2)
        assert tuple(catalogue.chunks(asset_id)) == planned(2).chunks

    def test_results_and_reports_are_found_in_chunk_order(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        first, second = claim(catalogue), claim(catalogue)
        for lease in (second, first):
            catalogue.complete(lease, outcome(lease))
        stored = catalogue.artefacts(asset_id, FACES.digest, ArtefactKind.CHUNK)
        assert [artefact.chunk for artefact in stored] == [0, 1]
        assert list(catalogue.chunk_reports(asset_id, FACES.digest)) == [report(), report()]
        assert catalogue.report(asset_id, FACES.digest) is None

    def test_the_assembled_outcome_is_what_delivery_starts_from(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        finish(catalogue, WorkKind.MASK)
        finish(catalogue, WorkKind.MASK)
        assert catalogue.assembled(asset_id, FACES.digest) is None
        brought = outcome(finish(catalogue, WorkKind.ASSEMBLE))
        assert isinstance(brought, Assembled)
        assert catalogue.assembled(asset_id, FACES.digest) == brought
        assert catalogue.report(asset_id, FACES.digest) == brought.report

    def test_a_timeline_is_found_under_every_policy(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        for policy in (FACES, MINIMAL):
            stored = catalogue.artefacts(asset_id, policy.digest, ArtefactKind.TIMELINE)
            assert list(stored) == [planned().timeline]

    def test_finished_chunks_are_not_masked_again_after_a_retry(self, catalogue: Catalogue, asset_id: str) -> None:
        """I-06: a lost worker costs one chunk, a failed one too."""
        finish(catalogue, WorkKind.PLAN)
        finish(catalogue, WorkKind.MASK)
        give_up(catalogue, claim(catalogue, WorkKind.MASK), "child_crashed")
        catalogue.retry(asset_id, actor="person")
        assert finish_everything(catalogue) == [WorkKind.PLAN, WorkKind.MASK, WorkKind.ASSEMBLE, WorkKind.DELIVER]

    def test_a_damaged_chunk_is_masked_again_after_a_retry(self, catalogue: Catalogue, asset_id: str) -> None:
        for kind in (WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK):
            finish(catalogue, kind)
        give_up(catalogue, claim(catalogue, WorkKind.ASSEMBLE), "chunk_damaged")
        catalogue.retry(asset_id, actor="person")
        assert finish_everything(catalogue)[:3] == [WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK]

    @pytest.mark.parametrize(("chunks", "timeline"), [(3, "timeline"), (2, "another timeline")])
    def test_chunks_of_another_plan_are_never_mixed_in(
        self, catalogue: Catalogue, asset_id: str, chunks: int, timeline: str
    ) -> None:
        finish(catalogue, WorkKind.PLAN)
        finish(catalogue, WorkKind.MASK)
        catalogue.cancel(asset_id, actor="person")
        catalogue.retry(asset_id, actor="person")
        catalogue.complete(claim(catalogue), planned(chunks, timeline))
        assert list(catalogue.artefacts(asset_id, FACES.digest, ArtefactKind.CHUNK)) == []
        assert finish_everything(catalogue, chunks=chunks).count(WorkKind.MASK) == chunks

    def test_one_asset_and_policy_is_published_once(self, catalogue: Catalogue, asset_id: str) -> None:
        """O-03: nothing is published twice; the first output stays as it is."""
        finish_everything(catalogue, content="first")
        [first] = catalogue.artefacts(asset_id, FACES.digest, ArtefactKind.PUBLISHED)
        for policy in (MINIMAL, FACES):
            catalogue.register(new_asset(policy=policy), actor="ingest")
            while (lease := claim(catalogue)).kind is not WorkKind.DELIVER:
                catalogue.complete(lease, outcome(lease))
            if policy is MINIMAL:
                catalogue.complete(lease, outcome(lease))
        with pytest.raises(BlobConflict):
            catalogue.complete(lease, outcome(lease, content="second"))
        assert list(catalogue.artefacts(asset_id, FACES.digest, ArtefactKind.PUBLISHED)) == [first]
        catalogue.complete(lease, outcome(lease, content="first"))
        assert catalogue.asset(asset_id).state is AssetState.DELIVERED

    def test_cancelling_ends_every_open_item(self, catalogue: Catalogue, asset_id: str) -> None:
        finish(catalogue, WorkKind.PLAN)
        claim(catalogue)
        asset = catalogue.cancel(asset_id, actor="person")
        assert (asset.state, catalogue.open_items()) == (AssetState.CANCELLED, 0)
        with pytest.raises(IllegalTransition):
            catalogue.cancel(asset_id, actor="person")

    def test_only_a_journey_that_ended_badly_is_retried(self, catalogue: Catalogue, asset_id: str) -> None:
        with pytest.raises(IllegalTransition):
            catalogue.retry(asset_id, actor="person")
        finish_everything(catalogue)
        with pytest.raises(IllegalTransition):
            catalogue.retry(asset_id, actor="person")

    def test_a_delivered_asset_is_delivered_again_from_its_masked_file(
        self, catalogue: Catalogue, asset_id: str
    ) -> None:
        """D-02: another destination costs no masking; the audit says what happened."""
        finish_everything(catalogue)
        seen = len(catalogue.audit_events(asset_id))
        assert catalogue.deliver_again(asset_id, actor="person").state is AssetState.DELIVERING
        assert finish_everything(catalogue) == [WorkKind.DELIVER]
        actions = [event.action for event in catalogue.audit_events(asset_id)[seen:]]
        assert actions[:2] == ["delivery.again", "asset.delivering"]
        assert actions[-1] == "asset.delivered"

    def test_without_its_masked_file_it_starts_from_its_source(self, catalogue: Catalogue, asset_id: str) -> None:
        finish_everything(catalogue)
        catalogue.forget_results(asset_id, FACES.digest, actor="tidier")
        assert catalogue.deliver_again(asset_id, actor="person").state is AssetState.REGISTERED
        kinds = [WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK, WorkKind.ASSEMBLE, WorkKind.DELIVER]
        assert finish_everything(catalogue) == kinds

    @pytest.mark.parametrize("is_tidy", [True, False])
    def test_delivered_again_means_the_same_bytes(self, catalogue: Catalogue, asset_id: str, is_tidy: bool) -> None:
        """O-03: at most one output per asset and policy, whatever the number of destinations."""
        finish_everything(catalogue, content="first")
        first = catalogue.artefacts(asset_id, FACES.digest, ArtefactKind.PUBLISHED)
        if is_tidy:
            catalogue.forget_results(asset_id, FACES.digest, actor="tidier")
        catalogue.deliver_again(asset_id, actor="person")
        while (lease := claim(catalogue)).kind is not WorkKind.DELIVER:
            catalogue.complete(lease, outcome(lease))
        with pytest.raises(BlobConflict):
            catalogue.complete(lease, outcome(lease, content="second"))
        catalogue.complete(lease, outcome(lease, content="first"))
        assert catalogue.artefacts(asset_id, FACES.digest, ArtefactKind.PUBLISHED) == first

    def test_only_what_was_delivered_is_delivered_again(self, catalogue: Catalogue, asset_id: str) -> None:
        with pytest.raises(IllegalTransition):
            catalogue.deliver_again(asset_id, actor="person")
        give_up(catalogue, claim(catalogue))
        with pytest.raises(IllegalTransition):
            catalogue.deliver_again(asset_id, actor="person")

    def test_chunks_and_masked_file_are_spent_once_delivered(self, catalogue: Catalogue, asset_id: str) -> None:
        """O-03: nothing is spent while anybody may still need it; what is forgotten is told with its names, once."""
        while (lease := claim(catalogue)).kind is not WorkKind.DELIVER:
            assert list(catalogue.spent()) == []
            catalogue.complete(lease, outcome(lease))
        assert list(catalogue.spent()) == []
        with pytest.raises(IllegalTransition):
            catalogue.forget_results(asset_id, FACES.digest, actor="tidier")
        catalogue.complete(lease, outcome(lease))
        assert list(catalogue.spent()) == [Spent(asset_id, FACES.digest)]
        forgotten = catalogue.forget_results(asset_id, FACES.digest, actor="tidier")
        assert [(artefact.kind, artefact.chunk) for artefact in forgotten] == [
            (ArtefactKind.CHUNK, 0),
            (ArtefactKind.CHUNK, 1),
            (ArtefactKind.MASKED, -1),
        ]
        assert list(catalogue.spent()) == []
        assert list(catalogue.forget_results(asset_id, FACES.digest, actor="tidier")) == []
        assert [event.action for event in catalogue.audit_events(asset_id)].count("results.forgotten") == 1

    def test_what_is_forgotten_leaves_reports_timeline_receipt_and_output(
        self, catalogue: Catalogue, asset_id: str
    ) -> None:
        finish_everything(catalogue)
        named = catalogue.artefact_names(asset_id)
        forgotten = {artefact.name for artefact in catalogue.forget_results(asset_id, FACES.digest, actor="tidier")}
        kept = {
            artefact.name
            for kind in (ArtefactKind.TIMELINE, ArtefactKind.RECEIPT, ArtefactKind.PUBLISHED)
            for artefact in catalogue.artefacts(asset_id, FACES.digest, kind)
        }
        assert (len(forgotten), len(kept), named) == (3, 3, forgotten | kept)
        assert catalogue.artefact_names(asset_id) == kept
        assert catalogue.report(asset_id, FACES.digest) is not None

    def test_what_is_on_its_way_again_is_not_spent(self, catalogue: Catalogue, asset_id: str) -> None:
        """I-06: also not when it failed on the way: its chunks serve the retry."""
        finish_everything(catalogue)
        catalogue.deliver_again(asset_id, actor="person")
        assert list(catalogue.spent()) == []
        give_up(catalogue, claim(catalogue), "disk_full")
        assert list(catalogue.spent()) == []
        catalogue.register(new_asset(policy=MINIMAL), actor="ingest")
        assert list(catalogue.spent()) == [Spent(asset_id, FACES.digest)]

    def test_what_is_unknown_is_not_found(self, catalogue: Catalogue) -> None:
        calls = (
            catalogue.asset,
            lambda a: catalogue.retry(a, actor="x"),
            lambda a: catalogue.cancel(a, actor="x"),
            lambda a: catalogue.deliver_again(a, actor="x"),
            lambda a: catalogue.forget_results(a, FACES.digest, actor="x"),
        )
        for call in calls:
            with pytest.raises(NotFound):
                call("ar-unknown")
        assert list(catalogue.work_items("ar-unknown")) == []

    def test_assets_come_in_pages_and_by_state(self, catalogue: Catalogue) -> None:
        """H-02: keyset pages, no asset twice and none left out."""
        ids = [catalogue.register(new_asset(number), actor="ingest").asset.asset_id for number in range(5)]
        catalogue.cancel(ids[0], actor="person")
        pages, after = [], None
        while page := catalogue.assets(AssetFilter(after=after, limit=2)):
            pages.append([asset.asset_id for asset in page])
            after = page[-1].asset_id
        assert pages == [ids[:2], ids[2:4], ids[4:]]
        [cancelled] = catalogue.assets(AssetFilter(state=AssetState.CANCELLED))
        assert cancelled.asset_id == ids[0]

    def test_every_change_of_state_leaves_its_audit_event_in_order(self, catalogue: Catalogue, asset_id: str) -> None:
        """H-09: actions in order, each with who and when."""
        finish_everything(catalogue, chunks=1)
        actions = [event.action for event in catalogue.audit_events(asset_id) if event.action.startswith("asset.")]
        states = ("registered", "masking", "masked", "delivering", "delivered")
        assert actions == [f"asset.{state}" for state in states]
        work = [event.action for event in catalogue.audit_events(asset_id) if event.action.startswith("work.")]
        assert sorted(work) == sorted(["work.queued", "work.leased", "work.done"] * 4)

    def test_acts_that_change_no_asset_can_be_recorded(self, catalogue: Catalogue, clock: FakeClock) -> None:
        """P-04, H-09: a look at the map is an event as any other; times come back in UTC and exact."""
        at = clock.now() + timedelta(microseconds=1)
        event = AuditEvent(actor="admin", action="map.revealed", object_id="sr-1", at=at, facts={"rows": 2})
        catalogue.append_audit(event)
        assert list(catalogue.audit_events("sr-1")) == [event]

    def test_figures_name_every_state_and_kind(self, catalogue: Catalogue, clock: FakeClock, asset_id: str) -> None:
        """H-07: what the metrics show is complete and right."""
        clock.advance(7.0)
        assert catalogue.count_assets() == {state: int(state is AssetState.REGISTERED) for state in AssetState}
        assert catalogue.queue_depth() == {kind: int(kind is WorkKind.PLAN) for kind in WorkKind}
        assert catalogue.oldest_due_seconds() == {kind: 7.0 if kind is WorkKind.PLAN else 0.0 for kind in WorkKind}
        catalogue.check()
