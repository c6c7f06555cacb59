"""What every adapter of the door's ports keeps: uploads, owners, replays, buckets, webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.states import AssetState
from opendrape.domain.uploads import UploadState
from opendrape.domain.webhooks import DeliveryState, Endpoint
from opendrape.domain.work import WorkKind
from opendrape.errors import IllegalTransition, NotFound, OpenDrapeError, QuotaExceeded
from opendrape.ports.buckets import Rate
from opendrape.ports.door import DoorRecords
from opendrape.ports.replays import Reservation, StoredAnswer
from opendrape.ports.uploads import NewUpload, Quota
from opendrape.ports.video_shelf import Standing, VideoFilter
from opendrape.ports.webhooks import Attempt
from tests.fakes.catalogue import outcome
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import asset_id, picture_id, plan, register

ROOMY = Quota(open_uploads=100, bytes_per_day=10**12)


@dataclass(frozen=True)
class Opened:
    """The records of one door, its catalogue and its clock."""

    door: DoorRecords
    catalogue: SqlCatalogue
    clock: FakeClock


Make = Callable[[Path, FakeClock], AbstractContextManager[tuple[SqlCatalogue, DoorRecords]]]


class DoorContract:
    """Subclasses set ``make``."""

    make: Make

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Iterator[Opened]:
        clock = FakeClock()
        with self.make(tmp_path, clock) as (catalogue, door):
            yield Opened(door, catalogue, clock)

    # -- uploads --------------------------------------------------------------------------------------------------
    def test_an_upload_goes_forward_to_its_end(self, opened: Opened) -> None:
        """I-01: the offset only rises; the last byte completes it; each change of state is audited."""
        uploads = opened.door.uploads
        begin(opened, length=10)
        taken = uploads.take("up-1", offset=0)
        assert uploads.advance("up-1", epoch=taken.epoch, offset=4).offset == 4
        done = uploads.advance("up-1", epoch=taken.epoch, offset=10)
        assert (done.state, done.offset) == (UploadState.COMPLETE, 10)
        assert [event.action for event in opened.catalogue.audit_events("up-1")] == [
            "upload.created",
            "upload.completed",
        ]

    def test_what_is_here_already_needs_no_byte(self, opened: Opened) -> None:
        """I-01: one take and advance at its length completes it; nobody waits for bytes; it is found by its id."""
        uploads = opened.door.uploads
        begin(opened, length=10)
        here = replace(new(opened, "rg-1"), length=7, is_here=True)
        assert uploads.create(here, quota=ROOMY).state is UploadState.RECEIVING
        assert uploads.outstanding_bytes() == 10
        taken = uploads.take("rg-1", offset=7)
        assert uploads.advance("rg-1", epoch=taken.epoch, offset=7).state is UploadState.COMPLETE
        both = {UploadState.COMPLETE, UploadState.RECEIVING}
        assert [one.upload_id for one in uploads.in_states(both, limit=9, prefix="rg-")] == ["rg-1"]
        assert [one.upload_id for one in uploads.in_states(both, limit=9, prefix="up-")] == ["up-1"]
        assert len(uploads.in_states(both, limit=9)) == 2
        assert uploads.in_states(both, limit=9, prefix="%") == []

    def test_only_the_latest_connection_writes(self, opened: Opened) -> None:
        """I-01: a resuming client takes over from a dead connection; the dead one changes nothing."""
        uploads = opened.door.uploads
        begin(opened, length=10)
        old = uploads.take("up-1", offset=0)
        new = uploads.take("up-1", offset=0)
        for act in (lambda: uploads.advance("up-1", epoch=old.epoch, offset=5), lambda: uploads.hold("up-1", epoch=0)):
            assert reason_of(act) == "upload_taken_over"
        uploads.hold("up-1", epoch=new.epoch)
        assert uploads.get("up-1").offset == 0

    def test_a_wrong_offset_a_late_or_a_closed_upload_is_told_apart(self, opened: Opened) -> None:
        """I-01: each has its reason."""
        uploads = opened.door.uploads
        begin(opened, length=10)
        assert reason_of(lambda: uploads.take("up-1", offset=3)) == "upload_offset"
        opened.clock.advance(7200)
        assert reason_of(lambda: uploads.take("up-1", offset=0)) == "upload_expired"
        assert [upload.upload_id for upload in uploads.expire()] == ["up-1"]
        assert reason_of(lambda: uploads.take("up-1", offset=0)) == "upload_closed"
        assert uploads.expire() == []

    def test_a_registered_upload_makes_its_owner_an_owner_of_the_video(self, opened: Opened) -> None:
        """H-05: in the transaction that registers it, and only once."""
        uploads = opened.door.uploads
        complete(opened)
        assert uploads.registered("up-1", asset_id(1)).state is UploadState.REGISTERED
        assert uploads.registered("up-1", asset_id(1)).asset_id == asset_id(1)
        assert opened.door.owners.is_owner(asset_id(1), "anna")
        assert not opened.door.owners.is_owner(asset_id(1), "berta")

    def test_what_ingest_took_up_cannot_be_terminated(self, opened: Opened) -> None:
        """I-01: the table of transitions decides."""
        complete(opened)
        with pytest.raises(IllegalTransition):
            opened.door.uploads.close("up-1", UploadState.TERMINATED, actor="anna")
        assert opened.door.uploads.close("up-1", UploadState.REFUSED, reason="empty", actor="ingest").reason == "empty"

    def test_of_many_at_once_only_as_many_as_allowed_begin(self, opened: Opened) -> None:
        """H-08: eight at once, three allowed."""
        quota = Quota(open_uploads=3, bytes_per_day=10**9)

        def try_one(number: int) -> str:
            try:
                opened.door.uploads.create(new(opened, f"up-{number}"), quota=quota)
            except QuotaExceeded as error:
                return error.reason
            return "begun"

        with ThreadPoolExecutor(8) as pool:
            ended = list(pool.map(try_one, range(8)))
        assert sorted(ended) == ["begun"] * 3 + ["upload_quota_open"] * 5

    def test_bytes_count_for_a_day_and_come_back_when_given_up(self, opened: Opened) -> None:
        """H-08: quota in bytes for any 24 hours."""
        quota = Quota(open_uploads=9, bytes_per_day=15)
        opened.door.uploads.create(new(opened, "up-1", length=10), quota=quota)
        assert reason_of(lambda: opened.door.uploads.create(new(opened, "up-2"), quota=quota)) == "upload_quota_bytes"
        opened.door.uploads.create(new(opened, "up-3", owner="berta"), quota=quota)
        opened.door.uploads.close("up-1", UploadState.TERMINATED, actor="anna")
        opened.door.uploads.create(new(opened, "up-4"), quota=quota)
        opened.clock.advance(86401)
        opened.door.uploads.create(new(opened, "up-5"), quota=quota)

    def test_an_unknown_upload_is_not_found(self, opened: Opened) -> None:
        """I-01: for each call that names one."""
        with pytest.raises(NotFound):
            opened.door.uploads.get("up-0")
        with pytest.raises(NotFound):
            opened.door.uploads.take("up-0", offset=0)

    # -- videos ---------------------------------------------------------------------------------------------------
    def test_a_page_has_the_owners_videos_in_order(self, opened: Opened) -> None:
        """H-05, H-02: keyset pages, by owner, state and patient."""
        for number in range(6):
            register(opened.catalogue, number, subject="sr-1" if number % 2 else None)
        for number in (5, 1, 4):
            opened.door.owners.add(asset_id(number), "anna")
        page = opened.door.videos.page
        assert ids(page(VideoFilter(owner="anna", limit=2))) == [asset_id(1), asset_id(4)]
        assert ids(page(VideoFilter(owner="anna", after=asset_id(4)))) == [asset_id(5)]
        assert ids(page(VideoFilter(subject_id="sr-1", owner="anna"))) == [asset_id(1), asset_id(5)]
        assert ids(page(VideoFilter(owner="berta"))) == []

    def test_a_page_has_pictures_or_videos_and_never_both(self, opened: Opened) -> None:
        """H-02: whoever asks, under every other condition."""
        for number in range(3):
            register(opened.catalogue, number, subject="sr-1")
            register(opened.catalogue, number, subject="sr-1", name=picture_id)
            opened.door.owners.add(asset_id(number), "anna")
            opened.door.owners.add(picture_id(number), "anna")
        page = opened.door.videos.page
        conditions: tuple[dict[str, Any], ...] = ({}, {"owner": "anna"}, {"subject_id": "sr-1"})
        for more in (*conditions, {"states": (AssetState.REGISTERED,)}):
            assert ids(page(VideoFilter(**more))) == [asset_id(number) for number in range(3)]
            assert ids(page(VideoFilter(pictures=True, **more))) == [picture_id(number) for number in range(3)]
        assert ids(page(VideoFilter(pictures=True, after=picture_id(0), limit=1))) == [picture_id(1)]
        assert ids(page(VideoFilter(after=asset_id(2)))) == []

    def test_a_page_has_what_is_in_some_states_whoever_brought_it(self, opened: Opened) -> None:
        """H-05: beside the owner's; each once, in order, within the other conditions."""
        for number in range(6):
            register(opened.catalogue, number, subject="sr-1" if number % 2 else None)
        for number in (2, 3, 4):
            opened.catalogue.cancel(asset_id(number), actor="test")
        for number in (1, 3):
            opened.door.owners.add(asset_id(number), "anna")

        def found(**more: Any) -> list[str]:
            wanted = VideoFilter(owner="anna", whoever_brought_it=(AssetState.CANCELLED, AssetState.FAILED), **more)
            return ids(opened.door.videos.page(wanted))

        assert found() == [asset_id(number) for number in (1, 2, 3, 4)]
        assert found(limit=2) == [asset_id(1), asset_id(2)]
        assert found(after=asset_id(2)) == [asset_id(3), asset_id(4)]
        assert found(states=(AssetState.CANCELLED,)) == [asset_id(2), asset_id(3), asset_id(4)]
        assert found(states=(AssetState.REGISTERED,)) == [asset_id(1)]
        assert found(subject_id="sr-1") == [asset_id(1), asset_id(3)]

    def test_standings_count_frames_kept_and_under_way(self, opened: Opened) -> None:
        """H-02, H-04: added up by the database, each video under its present policy."""
        assets = [register(opened.catalogue, number) for number in range(2)]
        assert opened.door.videos.standings(assets)[asset_id(1)] == Standing()
        plan(opened.catalogue, (0, 100), (100, 300))
        first = opened.catalogue.claim({WorkKind.MASK}, owner="test-0001", lease_seconds=30)
        assert first is not None
        opened.catalogue.complete(first, outcome(first))
        second = opened.catalogue.claim({WorkKind.MASK}, owner="test-0001", lease_seconds=30)
        assert second is not None
        opened.catalogue.heartbeat(second, lease_seconds=30, progress=0.25)
        found = opened.door.videos.standings(assets)
        assert found[asset_id(0)] == Standing(frames=300, frames_kept=100, frames_under_way=50.0, planned=1.0)
        assert found[asset_id(1)] == Standing()
        assert opened.door.videos.standings([]) == {}

    def test_events_of_a_video_go_on_after_an_id(self, opened: Opened) -> None:
        """H-02: what a stream resumes from."""
        register(opened.catalogue, 1)
        plan(opened.catalogue, (0, 100))
        opened.catalogue.cancel(asset_id(1), actor="anna")
        events = opened.door.videos.events(asset_id(1), after=0, limit=10)
        assert [event.action for event in events] == ["asset.registered", "asset.masking", "asset.cancelled"]
        assert opened.door.videos.events(asset_id(1), after=events[1].event_id, limit=10) == [events[2]]

    # -- replays --------------------------------------------------------------------------------------------------
    def test_of_many_at_once_exactly_one_reserves_a_key(self, opened: Opened) -> None:
        """H-04: ten at once; one acts."""
        with ThreadPoolExecutor(10) as pool:
            found = list(pool.map(lambda number: reserve(opened, holder=str(number)), range(10)))
        assert sorted(found) == [Reservation.MINE] + [Reservation.RUNNING] * 9

    def test_a_kept_answer_is_given_again_to_the_same_request_only(self, opened: Opened) -> None:
        """H-04: 422 is for another request under the same key."""
        answer = StoredAnswer(201, {"location": "/x"}, b"body")
        assert reserve(opened) is Reservation.MINE
        opened.door.replays.keep("r", holder="a", answer=answer)
        assert reserve(opened, holder="b") == answer
        assert reserve(opened, holder="b", fingerprint="other") is Reservation.REUSED

    def test_a_released_an_abandoned_and_an_expired_key_are_free_again(self, opened: Opened) -> None:
        """H-04: a dead holder blocks nobody for long, and its late answer changes nothing."""
        reserve(opened)
        opened.door.replays.release("r", holder="a")
        assert reserve(opened) is Reservation.MINE
        opened.clock.advance(61)
        assert reserve(opened, holder="b") is Reservation.MINE
        opened.door.replays.keep("r", holder="a", answer=StoredAnswer(200, {}, b"late"))
        assert reserve(opened, holder="c") is Reservation.RUNNING
        opened.clock.advance(3601)
        assert reserve(opened, holder="d", fingerprint="other") is Reservation.MINE
        opened.clock.advance(3601)
        assert opened.door.replays.forget_expired() == 1

    # -- buckets --------------------------------------------------------------------------------------------------
    def test_concurrent_draws_never_exceed_the_burst(self, opened: Opened) -> None:
        """H-08: 20 callers want 3 each of 10."""
        rate = Rate(burst=10, per_second=1)
        with ThreadPoolExecutor(8) as pool:
            drawn = list(pool.map(lambda _: opened.door.buckets.draw("b", want=3, rate=rate).tokens, range(20)))
        assert sum(drawn) == 10

    def test_a_bucket_fills_with_time_up_to_its_burst(self, opened: Opened) -> None:
        """H-08: and says when there will be one again."""
        rate, draw = Rate(burst=4, per_second=2), opened.door.buckets.draw
        assert draw("b", want=9, rate=rate).tokens == 4
        empty = draw("b", want=1, rate=rate)
        assert (empty.tokens, empty.seconds_until_next) == (0, 0.5)
        opened.clock.advance(1)
        assert draw("b", want=9, rate=rate).tokens == 2
        opened.clock.advance(1000)
        assert draw("b", want=9, rate=rate).tokens == 4

    # -- webhooks -------------------------------------------------------------------------------------------------
    def test_an_event_is_told_once_to_whoever_may_see_the_video(self, opened: Opened) -> None:
        """H-02: noted with the event; fanned out once; strangers get nothing."""
        webhooks = opened.door.webhooks
        register(opened.catalogue, 0)  # before anybody listened
        opened.door.owners.add(asset_id(1), "anna")
        for name, owner, sees_all in (("wh-a", "anna", False), ("wh-b", "berta", False), ("wh-c", "chief", True)):
            webhooks.add(endpoint(opened, name, owner, sees_all=sees_all), most=5)
        register(opened.catalogue, 1)
        assert (webhooks.fan_out(limit=10), webhooks.fan_out(limit=10)) == (1, 0)
        names = ("wh-a", "wh-b", "wh-c")
        told = {name: [d.asset_id for d in webhooks.deliveries(name, before=None, limit=9)] for name in names}
        assert told == {"wh-a": [asset_id(1)], "wh-b": [], "wh-c": [asset_id(1)]}

    def test_a_delivery_is_claimed_by_one_and_comes_back_when_it_dies(self, opened: Opened) -> None:
        """H-02: attempts are counted before they are made."""
        webhooks = opened.door.webhooks
        webhooks.add(endpoint(opened, "wh-a", "anna", sees_all=True), most=5)
        register(opened.catalogue, 1)
        webhooks.fan_out(limit=10)
        [(first, _)] = webhooks.claim(limit=5, hold_seconds=30)
        assert webhooks.claim(limit=5, hold_seconds=30) == []
        opened.clock.advance(31)
        [(second, _)] = webhooks.claim(limit=5, hold_seconds=30)
        assert (first.attempts, second.attempts) == (1, 2)
        webhooks.finish(first, Attempt(True, 200, None, None))  # too late
        later = opened.clock.now() + timedelta(seconds=5)
        webhooks.finish(second, Attempt(False, 500, "webhook_refused", later))
        [shown] = webhooks.deliveries("wh-a", before=None, limit=9)
        assert (shown.state, shown.last_status, shown.due_at) == (DeliveryState.PENDING, 500, later)
        opened.clock.advance(6)
        [(third, _)] = webhooks.claim(limit=5, hold_seconds=30)
        webhooks.finish(third, Attempt(True, 204, None, None))
        assert webhooks.deliveries("wh-a", before=None, limit=9)[0].state is DeliveryState.DELIVERED

    def test_a_disabled_or_removed_endpoint_gets_nothing_more(self, opened: Opened) -> None:
        """H-02: what was pending fails with the reason."""
        webhooks = opened.door.webhooks
        webhooks.add(endpoint(opened, "wh-a", "anna", sees_all=True), most=1)
        with pytest.raises(QuotaExceeded):
            webhooks.add(endpoint(opened, "wh-b", "anna"), most=1)
        register(opened.catalogue, 1)
        webhooks.fan_out(limit=10)
        webhooks.disable("wh-a", reason="webhook_gone")
        register(opened.catalogue, 2)
        assert webhooks.fan_out(limit=10) == 0
        assert [d.last_reason for d in webhooks.deliveries("wh-a", before=None, limit=9)] == ["webhook_gone"]
        assert webhooks.change("wh-a", active=True, new_secret=True).secret_version == 2
        webhooks.remove("wh-a")
        with pytest.raises(NotFound):
            webhooks.endpoint("wh-a")


def begin(opened: Opened, name: str = "up-1", *, length: int = 10) -> None:
    opened.door.uploads.create(new(opened, name, length=length), quota=ROOMY)


def new(opened: Opened, name: str, *, length: int = 10, owner: str = "anna") -> NewUpload:
    return NewUpload(name, owner, length, "faces", opened.clock.now() + timedelta(hours=1))


def complete(opened: Opened) -> None:
    begin(opened)
    taken = opened.door.uploads.take("up-1", offset=0)
    opened.door.uploads.advance("up-1", epoch=taken.epoch, offset=10)


def reserve(opened: Opened, *, holder: str = "a", fingerprint: str = "f") -> Reservation | StoredAnswer:
    return opened.door.replays.reserve("r", fingerprint=fingerprint, holder=holder, hold_seconds=60, keep_seconds=3600)


def endpoint(opened: Opened, name: str, owner: str, *, sees_all: bool = False) -> Endpoint:
    return Endpoint(name, owner, sees_all, "https://example.org/hook", 1, True, None, opened.clock.now())


def ids(assets: object) -> list[str]:
    return [asset.asset_id for asset in assets]  # type: ignore[attr-defined]


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(OpenDrapeError) as caught:
        act()
    return caught.value.reason
