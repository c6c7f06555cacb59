"""H-01, H-03, H-04, H-06: requests for frames over real HTTP: fields, faults, owners, races, tokens."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from opendrape.access.key_office import KeyOffice
from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.domain.access import Role, Scope
from opendrape.domain.frames import STATE_OF_WORK, FrameState
from opendrape.domain.states import WorkState
from opendrape.domain.work import Failure, FramesPacked, WorkKind
from opendrape.errors import Disposition
from opendrape.ledger.frame_cleaning import clean_expired
from opendrape_gateway.composition import create_app
from tests.fakes.gateway import AS_ADMIN, MEDIA, asset_id, gateway_container, plan, register
from tests.integration.gateway.test_server import serving

pytestmark = pytest.mark.timeout(120)
BASE = "/api/frames/anonymize"
VIDEO, OTHER = asset_id(1), asset_id(2)
STARTED = {"success", "request_id", "message", "estimated_processing_time"}
STATUS = {
    *("request_id", "status", "progress", "total_frames", "processed_frames"),
    *("estimated_remaining_time", "created_at", "started_at"),
}
HEALTH = {"status", "workers", "pending_requests", "average_processing_time", "storage_usage"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A gateway on a socket, two probed videos with segments, a pretended masker."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_container(folder) as container:
        container.work_blobs = LocalBlobStore(folder / "work")
        known = container.policies.get("minimal")
        container.policies.remember(known)
        for number in (1, 2):
            register(container.catalogue, number, policy=known.reference)
            plan(container.catalogue, (0, MEDIA.frame_count))
        with serving(create_app(container)) as base:
            container.base = base
            yield container


@pytest.fixture
def client(house: Any) -> Iterator[Callable[..., httpx.Client]]:
    """Makes clients of new users, so that no test meets another one's requests."""
    made: list[httpx.Client] = []

    def make(*, admin: bool = False, scopes: list[Scope] | None = None, owner: bool = True) -> httpx.Client:
        office = KeyOffice(house.access, house.clock)
        issued = office.issue(label="test", roles=[Role.USER], scopes=scopes, days=1, actor="test")
        for video in (VIDEO, OTHER) if owner else ():
            house.door.owners.add(video, issued.key.client)
        headers = AS_ADMIN if admin else {"Authorization": f"Bearer {issued.text}"}
        made.append(httpx.Client(base_url=house.base, headers=headers, timeout=60))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def ada(client: Callable[..., httpx.Client]) -> httpx.Client:
    return client()


@pytest.fixture
def segment(ada: httpx.Client) -> int:
    return mark(ada, VIDEO, 10, 20)


def mark(ada: httpx.Client, video: str, start: int, end: int) -> int:
    answer = ada.post(f"/api/videos/{video}/segments/", json={"label": "x", "start_frame": start, "end_frame": end})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def ask(ada: httpx.Client, *segments: int, **more: Any) -> httpx.Response:
    return ada.post(f"{BASE}/", json={"video_id": VIDEO, "segment_ids": list(segments), **more})


def finish(house: Any, request_id: str) -> bytes:
    """What a masker would do, for one request: every other item of the queue stays where it is."""
    request = house.frames.request(request_id)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.jpg", b"pixels" * 100_000)
    while True:
        lease = house.catalogue.claim({WorkKind.FRAMES}, owner="masker-0001", lease_seconds=30)
        assert lease is not None
        if lease.chunk == request.number:
            break
        house.catalogue.fail(lease, Failure(reason="media_refused", disposition=Disposition.FAIL))
    name = f"frames/{VIDEO}/{request_id}-0123456789abcdef.zip"
    stored = house.work_blobs.put_bytes(name, content.getvalue())
    packed = FramesPacked(name=name, sha256=stored.sha256, size_bytes=stored.size_bytes, pictures=request.total_frames)
    house.catalogue.complete(lease, packed)
    return content.getvalue()


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    return problem


# -- fields ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("slash", ["/", ""])
def test_a_request_goes_its_way_with_exactly_the_fields_of_the_predecessor(
    house: Any, ada: httpx.Client, slash: str
) -> None:
    """H-01: every address, with and without its last slash."""
    chosen = mark(ada, VIDEO, 5, 9)
    wish = {"video_id": VIDEO, "segment_ids": [chosen], "anonymization_level": "faces", "output_format": "png"}
    answer = ada.post(f"{BASE}{slash}", json=wish)
    assert answer.status_code == 202
    assert set(answer.json()) == STARTED
    assert answer.json()["success"] is True
    request_id = answer.json()["request_id"]
    before = ada.get(f"{BASE}/status/{request_id}{slash}").json()
    assert set(before) == STATUS
    assert (before["status"], before["progress"], before["total_frames"]) == ("pending", 0, 4)
    assert before["started_at"] is None
    assert datetime.fromisoformat(before["created_at"]).utcoffset() == timedelta(0)
    content = finish(house, request_id)
    after = ada.get(f"{BASE}/status/{request_id}{slash}").json()
    assert set(after) == STATUS
    assert (after["status"], after["progress"], after["processed_frames"]) == ("completed", 100, 4)
    assert after["estimated_remaining_time"] == 0
    listed = ada.get(f"{BASE}/requests{slash}").json()
    assert [one["request_id"] for one in listed["requests"]] == [request_id]
    fetched = ada.get(f"{BASE}/download/{request_id}{slash}")
    assert (fetched.status_code, fetched.headers["content-type"]) == (200, "application/zip")
    assert fetched.content == content
    assert is_problem(ada.delete(f"{BASE}/{request_id}{slash}"), 409)
    well = httpx.get(f"{house.base}{BASE}/health{slash}")
    assert (well.status_code, set(well.json())) == (200, HEALTH)


def test_health_tells_workers_and_measured_figures(house: Any, ada: httpx.Client, segment: int) -> None:
    """H-01, H-07: from rows, not from constants; no credential is needed."""
    house.frames.here("masker-0001", slots=2)
    finish(house, ask(ada, segment).json()["request_id"])
    well = httpx.get(f"{house.base}{BASE}/health/").json()
    figures = house.frames.figures()
    assert (well["status"], well["workers"]) == ("healthy", 2)
    assert well["average_processing_time"] == round(figures.mean_seconds, 2)
    assert well["storage_usage"].endswith(("KB", "MB"))


def test_the_estimate_is_the_measured_pace(house: Any, ada: httpx.Client, segment: int) -> None:
    """H-01: seconds per frame of requests that ended, times the frames asked for."""
    finish(house, ask(ada, segment).json()["request_id"])
    pace = house.frames.seconds_per_frame("faces")
    assert pace is not None
    assert ask(ada, mark(ada, VIDEO, 0, 200)).json()["estimated_processing_time"] == round(pace * 200, 1)


def test_every_state_of_the_work_is_exactly_one_of_the_api() -> None:
    """H-04."""
    assert set(STATE_OF_WORK) == set(WorkState)
    assert {*STATE_OF_WORK.values(), FrameState.QUARANTINED} == set(FrameState)
    assert [state.value for state in FrameState] == [
        *("pending", "processing", "completed", "failed", "cancelled", "quarantined"),
    ]


@pytest.mark.parametrize(
    ("reason", "disposition", "state", "error"),
    [
        ("residual_found", Disposition.QUARANTINE, "quarantined", None),
        ("source_changed", Disposition.FAIL, "failed", None),
        ("child_silent", Disposition.FAIL, "failed", "Processing timeout"),
    ],
)
def test_what_ended_badly_says_why_and_gives_nothing(
    house: Any, ada: httpx.Client, segment: int, reason: str, disposition: Disposition, state: str, error: str | None
) -> None:
    """V-15, V-16: a quarantined request has nothing to download."""
    request_id = ask(ada, segment).json()["request_id"]
    number = house.frames.request(request_id).number
    while (lease := house.catalogue.claim({WorkKind.FRAMES}, owner="masker", lease_seconds=9)).chunk != number:
        house.catalogue.fail(lease, Failure(reason="media_refused", disposition=Disposition.FAIL))
    house.catalogue.fail(lease, Failure(reason=reason, disposition=disposition))
    told = ada.get(f"{BASE}/status/{request_id}/").json()
    assert (told["status"], told["reason"]) == (state, reason)
    assert error is None or told["error"] == error
    assert is_problem(ada.get(f"{BASE}/download/{request_id}/"), 409)["reason"] == "result_not_ready"
    assert is_problem(ada.post(f"{BASE}/download/{request_id}/token/"), 409)


# -- faults ---------------------------------------------------------------------------------------------------------
def test_all_faults_of_a_wish_are_told_at_once_in_known_words(ada: httpx.Client) -> None:
    """H-03: RFC 9457, and the predecessor's texts."""
    wish = {"video_id": 999, "segment_ids": [], "anonymization_level": "nothing", "output_format": "gif"}
    problem = is_problem(ada.post(f"{BASE}/", json=wish), 404)
    assert [(one["name"], one["detail"]) for one in problem["errors"]] == [
        ("video_id", "Video not found"),
        ("segment_ids", "Invalid segments"),
        ("anonymization_level", "Invalid anonymization level"),
        ("output_format", "Invalid output format"),
    ]
    assert problem["detail"].startswith("Video not found; Invalid segments")


@pytest.mark.parametrize(
    "segments", [[], ["1"], "1,2", None, [0], [-1], [True], [1.5], [2**70], [999_999], {"a": 1}, [None]]
)
def test_segments_that_are_none_of_this_video_are_invalid(ada: httpx.Client, segments: object) -> None:
    """H-03."""
    problem = is_problem(ada.post(f"{BASE}/", json={"video_id": VIDEO, "segment_ids": segments}), 422)
    assert [one["code"] for one in problem["errors"]] == ["segments_invalid"]


def test_a_segment_of_another_video_is_invalid(ada: httpx.Client, segment: int) -> None:
    """H-03: segments belong to the video."""
    foreign = mark(ada, OTHER, 0, 5)
    assert is_problem(ask(ada, segment, foreign), 422)["detail"] == "Invalid segments"


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"video_id": 1e999}', b'"\\ud800"']
)
def test_a_body_that_is_no_wish_is_a_problem_and_no_fault_of_the_server(ada: httpx.Client, body: bytes) -> None:
    """H-08: no 500."""
    answer = ada.post(f"{BASE}/", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_video_that_cannot_be_written_down_is_not_found(ada: httpx.Client) -> None:
    """H-08: a lone surrogate does not reach the database."""
    content = b'{"video_id": "\\ud800", "segment_ids": [1]}'
    is_problem(ada.post(f"{BASE}/", content=content), 404)


def test_limits_on_segments_and_frames_are_the_settings(house: Any, ada: httpx.Client) -> None:
    """H-03: one more than allowed is refused, the most is not."""
    limits = house.settings.frames
    assert (limits.max_segments, limits.max_frames, limits.max_open_requests) == (100, 10_000, 5)
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(lambda number: mark(ada, OTHER, number, number + 1), range(101)))
    wish = {"video_id": OTHER, "segment_ids": many}
    assert is_problem(ada.post(f"{BASE}/", json=wish), 422)["errors"][0]["detail"] == "Too many segments"
    assert ada.post(f"{BASE}/", json=wish | {"segment_ids": many[:100]}).status_code == 202
    long = [mark(ada, OTHER, 0, 300) for _ in range(34)]
    problem = is_problem(ada.post(f"{BASE}/", json=wish | {"segment_ids": long}), 422)
    assert problem["errors"][0]["detail"] == "Too many frames"
    assert ada.post(f"{BASE}/", json=wish | {"segment_ids": long[:33]}).status_code == 202


def test_a_video_may_be_named_by_its_number(house: Any, ada: httpx.Client, segment: int) -> None:
    """H-01: as the predecessor's clients do."""
    number = ada.get(f"/api/videos/{VIDEO}/segments/{segment}/").json()["video_number"]
    answer = ada.post(f"{BASE}/", json={"video_id": number, "segment_ids": [segment], "output_format": "jpeg"})
    assert answer.status_code == 202
    (listed,) = ada.get(f"{BASE}/requests/", params={"video_id": number}).json()["requests"]
    assert (listed["video_id"], listed["segment_ids"], listed["output_format"]) == (VIDEO, [segment], "jpg")
    assert listed["anonymization_level"] == "faces"


# -- races and limits -----------------------------------------------------------------------------------------------
def test_of_ten_simultaneous_starts_exactly_one_wins(ada: httpx.Client, segment: int) -> None:
    """H-04: ten threads, ten connections: one 202 and nine 409."""
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _n: ask(ada, segment), range(10)))
    assert sorted(answer.status_code for answer in answers) == [202, *[409] * 9]
    assert {is_problem(answer, 409)["reason"] for answer in answers if answer.status_code == 409} == {"same_work"}


def test_a_repeated_start_under_one_key_gets_the_same_answer(ada: httpx.Client, segment: int) -> None:
    """H-04: Idempotency-Key; another wish under that key is refused."""
    wish = {"video_id": VIDEO, "segment_ids": [segment]}
    headers = {"Idempotency-Key": str(uuid4())}
    first, again = (ada.post(f"{BASE}/", json=wish, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = ada.post(f"{BASE}/", json=wish | {"output_format": "png"}, headers=headers)
    assert is_problem(other, 422)["reason"] == "idempotency_key_reused"


def test_five_requests_are_open_at_a_time_and_one_more_after_a_cancel(
    client: Callable[..., httpx.Client], ada: httpx.Client
) -> None:
    """H-03: of one user; another user has five as well."""
    chosen = [mark(ada, VIDEO, number, number + 2) for number in range(7)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: ask(ada, number), chosen[:6]))
    assert sorted(answer.status_code for answer in answers) == [*[202] * 5, 429]
    assert next(answer for answer in answers if answer.status_code == 429).headers["retry-after"]
    assert ask(client(), chosen[6]).status_code == 202
    running = next(answer.json()["request_id"] for answer in answers if answer.status_code == 202)
    cancelled = ada.delete(f"{BASE}/{running}/")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert ada.get(f"{BASE}/status/{running}/").json()["status"] == "cancelled"
    assert ask(ada, chosen[6]).status_code == 202


# -- owners ---------------------------------------------------------------------------------------------------------
def test_others_requests_are_not_there(
    house: Any, client: Callable[..., httpx.Client], ada: httpx.Client, segment: int
) -> None:
    """H-05: 404 for every address, as for an id that nobody has; an admin sees all."""
    request_id = ask(ada, segment).json()["request_id"]
    finish(house, request_id)
    bob, admin = client(), client(admin=True)
    for number in (request_id, str(uuid4()), "x", "1 or 1"):
        for method, path in (
            ("GET", f"{BASE}/status/{number}/"),
            ("GET", f"{BASE}/download/{number}/"),
            ("POST", f"{BASE}/download/{number}/token/"),
            ("DELETE", f"{BASE}/{number}/"),
        ):
            assert is_problem(bob.request(method, path), 404)["reason"] == "not_found"
    assert bob.get(f"{BASE}/requests/").json()["requests"] == []
    assert admin.get(f"{BASE}/status/{request_id}/").status_code == 200
    assert request_id in [one["request_id"] for one in admin.get(f"{BASE}/requests/?limit=100").json()["requests"]]


def test_somebody_elses_video_is_not_there(client: Callable[..., httpx.Client], segment: int) -> None:
    """H-05: segment access follows the permission to see the video; the same words as for one that does not exist."""
    stranger = client(owner=False)
    wish = {"video_id": VIDEO, "segment_ids": [segment]}
    assert is_problem(stranger.post(f"{BASE}/", json=wish), 404)["detail"] == "Video not found"
    place = f"/api/videos/{VIDEO}/segments"
    new = {"label": "x", "start_frame": 0, "end_frame": 5}
    for method, path, content in (
        ("GET", f"{place}/", None),
        ("POST", f"{place}/", new),
        ("GET", f"{place}/{segment}/", None),
        ("PUT", f"{place}/{segment}/", new),
        ("DELETE", f"{place}/{segment}/", None),
    ):
        is_problem(stranger.request(method, path, json=content), 404)
    number = client().get(f"{place}/{segment}/").json()["video_number"]
    assert is_problem(stranger.post(f"{BASE}/", json=wish | {"video_id": number}), 404)["detail"] == "Video not found"


def test_nobody_gets_in_without_a_key_and_a_key_only_does_what_it_is_for(
    house: Any, client: Callable[..., httpx.Client], segment: int
) -> None:
    """H-05: everything but health."""
    for method, path in (("POST", f"{BASE}/"), ("GET", f"{BASE}/requests/"), ("GET", f"{BASE}/download/{uuid4()}/")):
        assert httpx.request(method, f"{house.base}{path}").status_code == 401
    reader = client(scopes=[Scope.READ])
    assert ask(reader, segment).status_code == 403
    assert reader.get(f"{BASE}/download/{uuid4()}/").status_code == 403
    assert reader.get(f"{BASE}/requests/").status_code == 200


def test_pages_are_counted_and_bounded(ada: httpx.Client) -> None:
    """H-01: limit 20, offset 0 by default."""
    ids = [ask(ada, mark(ada, VIDEO, n, n + 3)).json()["request_id"] for n in range(3)]
    page = ada.get(f"{BASE}/requests/", params={"limit": 2, "offset": 1, "status": "pending"}).json()
    assert (page["count"], page["limit"], page["offset"]) == (3, 2, 1)
    assert [one["request_id"] for one in page["requests"]] == ids[1::-1]
    assert ada.get(f"{BASE}/requests/").json()["limit"] == 20
    for wrong in ({"limit": 0}, {"limit": 101}, {"offset": -1}, {"status": "gone"}, {"offset": 10**30}):
        assert is_problem(ada.get(f"{BASE}/requests/", params=wrong), 422)
    assert ada.get(f"{BASE}/requests/", params={"video_id": "' or 1=1"}).json()["requests"] == []


# -- downloads ------------------------------------------------------------------------------------------------------
def test_of_a_hundred_parallel_redemptions_exactly_one_gets_the_zip(
    house: Any, ada: httpx.Client, segment: int
) -> None:
    """H-06: over real HTTP; the others are told that the link is used, and the owner gets a new one."""
    request_id = ask(ada, segment).json()["request_id"]
    content = finish(house, request_id)
    made = ada.post(f"{BASE}/download/{request_id}/token/")
    assert made.status_code == 201
    token = made.json()["token"]
    assert len(token) >= 43
    with ThreadPoolExecutor(25) as pool:
        headers = {"X-Download-Token": token}
        answers = list(pool.map(lambda _n: ada.get(f"{BASE}/download/{request_id}/", headers=headers), range(100)))
    winners = [answer for answer in answers if answer.status_code == 200]
    assert [winner.content for winner in winners] == [content]
    assert {is_problem(one, 410)["reason"] for one in answers if one not in winners} == {"link_expired"}
    again = ada.post(f"{BASE}/download/{request_id}/token/").json()["token"]
    assert ada.get(f"{BASE}/download/{request_id}/", params={"token": again}).content == content


def test_a_broken_download_leaves_the_result_to_its_owner(house: Any, ada: httpx.Client, segment: int) -> None:
    """H-06: the token is gone, the result is not."""
    request_id = ask(ada, segment).json()["request_id"]
    content = finish(house, request_id)
    with ada.stream("GET", f"{BASE}/download/{request_id}/") as broken:
        next(broken.iter_bytes(1000))
    whole = ada.get(f"{BASE}/download/{request_id}/")
    assert whole.content == content
    assert int(whole.headers["content-length"]) == len(content)
    assert "max-age" not in whole.headers["cache-control"]


def test_tokens_are_kept_as_digests_and_never_of_another_request(house: Any, ada: httpx.Client, segment: int) -> None:
    """H-06: 32 bytes; neither the database nor the audit has the token."""
    first, second = (ask(ada, mark(ada, VIDEO, n, n + 4)).json()["request_id"] for n in (1, 2))
    finish(house, first)
    finish(house, second)
    token = ada.post(f"{BASE}/download/{first}/token/").json()["token"]
    for wrong in ({"X-Download-Token": "x" * 43}, {"X-Download-Token": token}):
        assert is_problem(ada.get(f"{BASE}/download/{second}/", headers=wrong), 404)
    with house.catalogue.database.read() as connection:
        stored = connection.exec_driver_sql("SELECT token_sha256 FROM download_tokens").scalars().all()
        audit = connection.exec_driver_sql("SELECT actor, action, object_id, facts FROM audit_events").all()
    assert hashlib.sha256(token.encode()).hexdigest() in stored
    assert token not in str(stored) + str(audit)
    is_problem(ada.get(f"{BASE}/download/{first}/", headers={"X-Download-Token": "x" * 200}), 422)


def test_a_result_whose_bytes_changed_never_arrives_whole(house: Any, ada: httpx.Client, segment: int) -> None:
    """V-16: the last block is held back until the digest is right."""
    request_id = ask(ada, segment).json()["request_id"]
    finish(house, request_id)
    place = Path(house.settings.state_dir) / "work" / house.frames.request(request_id).archive.name
    kept = place.read_bytes()
    place.chmod(0o600)
    place.write_bytes(kept[:50] + bytes([kept[50] ^ 1]) + kept[51:])
    with pytest.raises(httpx.RemoteProtocolError):
        ada.get(f"{BASE}/download/{request_id}/")


def test_what_was_cleaned_up_is_gone_and_says_so(house: Any, ada: httpx.Client, segment: int) -> None:
    """H-06: rows, bytes and orphans go; a running request keeps its half-known bytes."""
    old = ask(ada, segment).json()["request_id"]
    finish(house, old)
    running = ask(ada, mark(ada, VIDEO, 70, 80)).json()["request_id"]
    orphan, half = f"frames/{VIDEO}/{uuid4()}-{'0' * 16}.zip", f"frames/{VIDEO}/{running}-{'0' * 16}.zip"
    for name in (orphan, half):
        house.work_blobs.put_bytes(name, b"x")
    assert clean_expired(house).results == 0
    assert not house.work_blobs.exists(orphan)
    later = Later(house)
    assert clean_expired(later).results >= 1
    assert house.work_blobs.exists(half)
    assert house.frames.request(old).state is FrameState.COMPLETED
    assert is_problem(ada.get(f"{BASE}/download/{old}/"), 410)["reason"] == "result_expired"
    assert ada.get(f"{BASE}/requests/").json()["requests"][1]["downloadable"] is False


class Later:
    """The same house, eight days on."""

    def __init__(self, house: Any) -> None:
        self.settings, self.frames, self.work_blobs = house.settings, house.frames, house.work_blobs
        self.clock = self
        self._now = house.clock.now() + timedelta(days=8)

    def now(self) -> datetime:
        return self._now


# -- segments -------------------------------------------------------------------------------------------------------
def test_segments_are_marked_shown_changed_and_removed(ada: httpx.Client) -> None:
    """H-02: CRUD."""
    place = f"/api/videos/{VIDEO}/segments"
    number = mark(ada, VIDEO, 100, 110)
    shown = ada.get(f"{place}/{number}").json()
    assert (shown["start_frame"], shown["end_frame"], shown["frames"], shown["video_id"]) == (100, 110, 10, VIDEO)
    changed = ada.put(f"{place}/{number}/", json={"label": "polyp", "start_frame": 0, "end_frame": 300})
    assert (changed.status_code, changed.json()["label"]) == (200, "polyp")
    assert number in [one["id"] for one in ada.get(f"{place}/").json()["segments"]]
    assert ada.delete(f"{place}/{number}/").status_code == 204
    for method in ("GET", "DELETE"):
        assert is_problem(ada.request(method, f"{place}/{number}/"), 404)


@pytest.mark.parametrize(
    "wish",
    [
        {"label": "x", "start_frame": 0, "end_frame": 301},
        {"label": "x", "start_frame": 5, "end_frame": 5},
        {"label": "x", "start_frame": -1, "end_frame": 5},
        {"label": "x", "start_frame": 0, "end_frame": 2**70},
        {"label": "Patient Y 1981", "start_frame": 0, "end_frame": 5},
        {"label": "x"},
        [],
    ],
)
def test_a_segment_lies_within_the_video_and_has_a_harmless_label(ada: httpx.Client, wish: object) -> None:
    """V-12: against the frame count; a label is a word and no text about a person."""
    assert is_problem(ada.post(f"/api/videos/{VIDEO}/segments/", json=wish), 422)


def test_segments_of_unknown_or_unprobed_videos_are_refused(
    house: Any, client: Callable[..., httpx.Client], ada: httpx.Client
) -> None:
    """H-02."""
    wish = {"label": "x", "start_frame": 0, "end_frame": 5}
    register(house.catalogue, 7)
    unprobed = f"{house.base}/api/videos/{asset_id(7)}/segments/"
    assert is_problem(ada.post(unprobed, json=wish), 404)["reason"] == "not_found"  # nobody's, so not hers
    assert is_problem(httpx.post(unprobed, json=wish, headers=AS_ADMIN), 409)["reason"] == "not_planned"
    for video in (asset_id(99), "X%20Y", "%F0"):
        assert is_problem(ada.post(f"/api/videos/{video}/segments/", json=wish), 404)
    number = mark(ada, OTHER, 0, 5)
    assert is_problem(ada.get(f"/api/videos/{VIDEO}/segments/{number}/"), 404)
