"""What every keeper of requests for frames promises (H-03, H-04, H-06)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from opendrape.domain.frames import ChosenSegment, FrameState, NewFrames
from opendrape.domain.states import AssetState
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Failure, FramesPacked, Lease, WorkKind
from opendrape.errors import (
    CatalogueUnavailable,
    Disposition,
    IllegalTransition,
    LimitReached,
    LinkExpired,
    NotFound,
    OpenDrapeError,
    StaleLease,
)
from opendrape.ports.frames import FrameFilter
from tests.fakes.catalogue import FACES, RETRY, new_asset, outcome
from tests.fakes.clock import FakeClock

ASSET = new_asset().asset_id
LIMIT = 5


def wish(number: int = 0, *, owner: str = "ada", frames: int = 10) -> NewFrames:
    """Another piece of work for every number."""
    chosen = ChosenSegment(number + 1, FrameSpan(number * 100, number * 100 + frames))
    return NewFrames(str(uuid4()), owner, ASSET, FACES, "jpg", (chosen,))


def packed(new: NewFrames) -> FramesPacked:
    name = f"frames/{ASSET}/{new.request_id}-{'a' * 16}.zip"
    return FramesPacked(name=name, sha256="a" * 64, size_bytes=1000, pictures=new.total_frames)


class FrameRequestsContract:
    """Subclasses say how to open a catalogue in a folder."""

    make: Callable[[Path, FakeClock], AbstractContextManager[Any]]

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def catalogue(self, tmp_path: Path, clock: FakeClock) -> Any:
        with self.make(tmp_path, clock) as catalogue:
            catalogue.register(new_asset(), actor="ingest")
            lease = catalogue.claim({WorkKind.PLAN}, owner="ingest", lease_seconds=30)
            catalogue.complete(lease, outcome(lease))
            yield catalogue

    @pytest.fixture
    def frames(self, catalogue: Any) -> Any:
        return catalogue.requests_for_frames

    def take(self, catalogue: Any) -> Lease:
        lease: Lease | None = catalogue.claim({WorkKind.FRAMES}, owner="masker", lease_seconds=30)
        assert lease is not None
        return lease

    def finish(self, catalogue: Any, new: NewFrames) -> None:
        catalogue.complete(self.take(catalogue), packed(new))

    def test_a_request_goes_from_pending_over_processing_to_completed(
        self, catalogue: Any, frames: Any, clock: FakeClock
    ) -> None:
        """H-04: every state of the item is exactly one of the API's."""
        new = wish()
        assert frames.start(new, limit=LIMIT, actor="ada").state is FrameState.PENDING
        clock.advance(3)
        lease = self.take(catalogue)
        catalogue.heartbeat(lease, lease_seconds=30, progress=0.55)
        running = frames.request(new.request_id)
        assert (running.state, running.processed_frames) == (FrameState.PROCESSING, 5)
        assert (running.started_at - running.created_at).total_seconds() == 3
        catalogue.complete(lease, packed(new))
        done = frames.request(new.request_id)
        assert (done.state, done.processed_frames, done.archive.size_bytes) == (FrameState.COMPLETED, 10, 1000)
        assert frames.of_item(lease.chunk) == done
        assert catalogue.asset(ASSET).state is AssetState.MASKING

    @pytest.mark.parametrize(
        ("disposition", "state"),
        [(Disposition.FAIL, FrameState.FAILED), (Disposition.QUARANTINE, FrameState.QUARANTINED)],
    )
    def test_a_request_that_ends_badly_leaves_the_video_alone(
        self, catalogue: Any, frames: Any, disposition: Disposition, state: FrameState
    ) -> None:
        """V-15, H-04: a finding quarantines the request; the video's own journey goes on."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        catalogue.fail(self.take(catalogue), Failure(reason="residual_found", disposition=disposition))
        ended = frames.request(new.request_id)
        assert (ended.state, ended.reason, ended.archive) == (state, "residual_found", None)
        assert catalogue.asset(ASSET).state is AssetState.MASKING
        assert frames.start(replace(new, request_id=str(uuid4())), limit=LIMIT, actor="ada").state is FrameState.PENDING

    def test_a_video_that_is_cancelled_leaves_its_requests_alone(self, catalogue: Any, frames: Any) -> None:
        """H-04: they are no part of its journey, and are not told as its work."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        catalogue.cancel(ASSET, actor="person")
        assert frames.request(new.request_id).state is FrameState.PENDING
        assert {item.kind for item in catalogue.work_items(ASSET)} == {WorkKind.PLAN, WorkKind.MASK}

    def test_a_transient_failure_is_tried_again_until_attempts_are_used_up(
        self, catalogue: Any, frames: Any, clock: FakeClock
    ) -> None:
        """O-03: leased and retried like any other work; a worker that vanishes loses its lease."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        catalogue.fail(self.take(catalogue), Failure(reason="child_crashed", disposition=Disposition.RETRY))
        assert frames.request(new.request_id).state is FrameState.PENDING
        for _ in range(2):
            clock.advance(100)
            self.take(catalogue)
            clock.advance(100)
            catalogue.sweep()
        ended = frames.request(new.request_id)
        assert (ended.state, ended.reason) == (FrameState.FAILED, "attempts_exhausted")

    def test_an_outage_is_waited_out_however_long_ago_the_video_was_done(
        self, catalogue: Any, frames: Any, clock: FakeClock
    ) -> None:
        """O-03: what counts is when the frames were asked for; a day later attempts count, and it ends."""
        clock.advance(timedelta(days=30).total_seconds())
        new, outage = wish(), Failure(reason="inference_away", disposition=Disposition.WAIT)
        frames.start(new, limit=LIMIT, actor="ada")
        for _ in range(10):
            catalogue.fail(self.take(catalogue), outage)
            clock.advance(60)
        assert frames.request(new.request_id).state is FrameState.PENDING
        clock.advance(timedelta(days=1).total_seconds())
        for _ in range(RETRY.max_attempts):
            catalogue.fail(self.take(catalogue), outage)
            clock.advance(60)
        ended = frames.request(new.request_id)
        assert (ended.state, ended.reason) == (FrameState.FAILED, "inference_away")

    def test_the_same_work_is_not_started_twice(self, catalogue: Any, frames: Any) -> None:
        """H-04: until it has ended; somebody else's same wish is another work."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        again = replace(new, request_id=str(uuid4()))
        with pytest.raises(IllegalTransition) as refused:
            frames.start(again, limit=LIMIT, actor="ada")
        assert refused.value.reason == "same_work"
        frames.start(replace(again, owner="bob"), limit=LIMIT, actor="bob")
        self.finish(catalogue, new)
        frames.start(replace(new, request_id=str(uuid4())), limit=LIMIT, actor="ada")

    def test_of_ten_simultaneous_starts_exactly_one_wins(self, frames: Any) -> None:
        """H-04: the index decides, not luck."""
        new = wish()

        def start(_number: int) -> str:
            try:
                frames.start(replace(new, request_id=str(uuid4())), limit=LIMIT, actor="ada")
            except OpenDrapeError as error:
                return error.reason
            return "started"

        with ThreadPoolExecutor(10) as pool:
            answers = sorted(pool.map(start, range(10)))
        assert answers == ["same_work"] * 9 + ["started"]

    def test_no_more_than_the_limit_is_open_however_many_start_at_once(self, catalogue: Any, frames: Any) -> None:
        """H-03: five concurrent requests a user."""

        def start(number: int) -> bool:
            try:
                frames.start(wish(number), limit=LIMIT, actor="ada")
            except LimitReached:
                return False
            return True

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(start, range(10))) == LIMIT
        assert frames.count(FrameFilter(owner="ada")) == LIMIT
        frames.start(wish(11, owner="bob"), limit=LIMIT, actor="bob")
        first = frames.requests()[-1]
        frames.cancel(first.request_id, actor="ada")
        assert start(12)
        assert not start(13)

    def test_cancelling_ends_request_and_lease(self, catalogue: Any, frames: Any) -> None:
        """H-01: whoever works on it can write nothing any more."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        lease = self.take(catalogue)
        assert frames.cancel(new.request_id, actor="ada").state is FrameState.CANCELLED
        with pytest.raises(StaleLease):
            catalogue.complete(lease, packed(new))
        assert frames.request(new.request_id).archive is None
        with pytest.raises(IllegalTransition):
            frames.cancel(new.request_id, actor="ada")
        with pytest.raises(NotFound):
            frames.cancel(str(uuid4()), actor="ada")

    def test_requests_are_listed_newest_first_by_owner_video_and_state(self, catalogue: Any, frames: Any) -> None:
        """H-01: limit and offset; only the owner's."""
        mine = [wish(number) for number in range(4)]
        for new in mine:
            frames.start(new, limit=LIMIT, actor="ada")
        frames.start(wish(9, owner="bob"), limit=LIMIT, actor="bob")
        self.finish(catalogue, mine[0])
        ids = [new.request_id for new in reversed(mine)]
        assert [one.request_id for one in frames.requests(FrameFilter(owner="ada"))] == ids
        assert [one.request_id for one in frames.requests(FrameFilter(owner="ada", limit=2, offset=1))] == ids[1:3]
        done = frames.requests(FrameFilter(state=FrameState.COMPLETED, asset_id=ASSET))
        assert [one.request_id for one in done] == ids[-1:]
        assert frames.count(FrameFilter(state=FrameState.PENDING)) == 4
        assert frames.requests(FrameFilter(asset_id="ar-none")) == []

    def test_of_a_hundred_redemptions_exactly_one_succeeds(self, catalogue: Any, frames: Any, clock: FakeClock) -> None:
        """H-06: one atomic update."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        frames.add_token(new.request_id, "b" * 64, expires_at=clock.now() + timedelta(hours=1), actor="ada")

        def redeem(_number: int) -> bool:
            try:
                frames.redeem(new.request_id, "b" * 64, actor="ada")
            except LinkExpired:
                return False
            return True

        with ThreadPoolExecutor(20) as pool:
            assert sum(pool.map(redeem, range(100))) == 1

    def test_a_token_is_good_for_its_request_and_its_time(self, frames: Any, clock: FakeClock) -> None:
        """H-06: an unknown one is not told apart from another request's."""
        first, second = wish(0), wish(1)
        for new in (first, second):
            frames.start(new, limit=LIMIT, actor="ada")
        frames.add_token(first.request_id, "c" * 64, expires_at=clock.now() + timedelta(hours=1), actor="ada")
        for request_id, token in ((second.request_id, "c" * 64), (first.request_id, "d" * 64)):
            with pytest.raises(NotFound):
                frames.redeem(request_id, token, actor="ada")
        clock.advance(3600)
        with pytest.raises(LinkExpired):
            frames.redeem(first.request_id, "c" * 64, actor="ada")
        assert frames.expire_tokens() == 0
        clock.advance(25 * 3600)
        assert frames.expire_tokens() == 1

    def test_old_archives_are_forgotten_once_and_live_ones_are_wanted(
        self, catalogue: Any, frames: Any, clock: FakeClock
    ) -> None:
        """H-06: the bytes of an open request are never taken for an orphan."""
        old, young, open_one = wish(0), wish(1), wish(2)
        frames.start(old, limit=LIMIT, actor="ada")
        self.finish(catalogue, old)
        clock.advance(100)
        border = clock.now()
        clock.advance(100)
        frames.start(young, limit=LIMIT, actor="ada")
        self.finish(catalogue, young)
        frames.start(open_one, limit=LIMIT, actor="ada")
        assert [one.name for one in frames.expire_archives(before=border, actor="cleaner")] == [packed(old).name]
        assert frames.expire_archives(before=border, actor="cleaner") == []
        assert frames.request(old.request_id).archive is None
        assert [frames.is_wanted(packed(new).name) for new in (old, young, open_one)] == [False, True, True]

    def test_the_pace_is_measured_and_unknown_before_anything_ended(
        self, catalogue: Any, frames: Any, clock: FakeClock
    ) -> None:
        """H-01: estimates come from history."""
        assert frames.seconds_per_frame("faces") is None
        frames.start(new := wish(frames=10), limit=LIMIT, actor="ada")
        clock.advance(7)
        lease = self.take(catalogue)
        clock.advance(5)
        catalogue.complete(lease, packed(new))
        assert frames.seconds_per_frame("faces") == pytest.approx(0.5)
        assert frames.seconds_per_frame("full") == pytest.approx(0.5)
        figures = frames.figures()
        assert (figures.mean_seconds, figures.frames_written, figures.stored_bytes) == (5.0, 10, 1000)
        assert figures.by_state[FrameState.COMPLETED] == 1
        assert frames.figures("ar-none").frames_written == 0

    def test_workers_that_fell_silent_are_not_counted(self, frames: Any, clock: FakeClock) -> None:
        """H-07: only those that said so lately."""
        frames.here("masker-1", slots=2)
        clock.advance(90)
        frames.here("masker-2", slots=1)
        frames.here("masker-2", slots=1)
        assert frames.figures().workers == 3
        clock.advance(60)
        assert frames.figures().workers == 1

    def test_every_change_leaves_an_audit_event_and_no_words_of_a_person(self, catalogue: Any, frames: Any) -> None:
        """H-09: by request."""
        new = wish()
        frames.start(new, limit=LIMIT, actor="ada")
        self.finish(catalogue, new)
        actions = [event.action for event in catalogue.audit_events(new.request_id)]
        assert actions == ["frames.started", "frames.completed"]


class SegmentsContract:
    """Marked parts of a video, and its number."""

    make: Callable[[Path, FakeClock], AbstractContextManager[Any]]

    @pytest.fixture
    def segments(self, tmp_path: Path) -> Any:
        with self.make(tmp_path, FakeClock()) as catalogue:
            for number in (1, 2):
                catalogue.register(new_asset(number), actor="ingest")
            yield catalogue.segments

    def test_segments_are_added_changed_listed_and_removed(self, segments: Any) -> None:
        """H-02."""
        late = segments.add(ASSET, label="polyp", span=FrameSpan(50, 60), actor="ada")
        early = segments.add(ASSET, label="outside", span=FrameSpan(0, 10), actor="ada")
        assert segments.of_asset(ASSET) == [early, late]
        moved = segments.change(late.segment_id, label="polyp", span=FrameSpan(51, 61), actor="ada")
        assert segments.segment(late.segment_id) == moved
        segments.remove(early.segment_id, actor="ada")
        assert segments.of_asset(ASSET) == [moved]
        for gone in (segments.segment, lambda number: segments.remove(number, actor="ada")):
            with pytest.raises(NotFound):
                gone(early.segment_id)
        with pytest.raises(NotFound):
            segments.change(early.segment_id, label="x", span=FrameSpan(0, 1), actor="ada")
        with pytest.raises(NotFound):
            segments.add("ar-none", label="x", span=FrameSpan(0, 1), actor="ada")

    def test_a_video_gets_its_number_with_its_first_segment(self, segments: Any) -> None:
        """H-01: the predecessor's clients name videos by number."""
        assert segments.number_of(ASSET) is None
        with ThreadPoolExecutor(8) as pool:
            span = FrameSpan(0, 1)
            list(pool.map(lambda _n: segments.add(ASSET, label="x", span=span, actor="ada"), range(8)))
        segments.add(new_asset(2).asset_id, label="x", span=span, actor="ada")
        first, second = segments.number_of(ASSET), segments.number_of(new_asset(2).asset_id)
        assert first != second
        assert segments.asset_numbered(first) == ASSET
        assert segments.asset_numbered(999) is None

    def test_the_database_itself_refuses_an_empty_span(self, segments: Any) -> None:
        """V-12: [start, end) holds at least one frame."""
        with pytest.raises(CatalogueUnavailable):
            segments.add(ASSET, label="x", span=FrameSpan(3, 3), actor="ada")
