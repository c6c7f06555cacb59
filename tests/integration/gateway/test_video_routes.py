"""H-02, H-04, H-05, H-08: videos over HTTP: whose they are, cancel, retry, marks, papers, keys and rates."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.domain.policy import PolicyRef
from opendrape.domain.work import Artefact, ArtefactKind, WorkKind
from opendrape_gateway.front import ResponseBroken
from tests.fakes.catalogue import outcome
from tests.fakes.door import app_for
from tests.fakes.gateway import ask, asset_id, gateway_container, plan, register


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        made.destination_blobs = LocalBlobStore(tmp_path / "out")
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    return app_for(container)


def as_(who: str, **more: str) -> dict[str, str]:
    return {"X-Test-Caller": who} | more


def test_a_user_sees_own_videos_and_an_administrator_all(app: Any, container: Any) -> None:
    """H-05: in lists and one by one; what is not theirs is not there, whatever is asked of it."""
    for number in range(3):
        register(container.catalogue, number)
    container.door.owners.add(asset_id(1), "anna")
    listed = {who: [v["id"] for v in ask(app, "/api/videos/", headers=as_(who)).json()["videos"]] for who in PEOPLE}
    assert listed == {"anna": [asset_id(1)], "berta": [], "chief": [asset_id(n) for n in range(3)]}
    for method, path in EVERY_ADDRESS_OF_A_VIDEO:
        url = f"/api/videos/{asset_id(1)}/{path}"
        refused = ask(app, url, method=method, headers=as_("berta"), json={"regions": []} if method == "PUT" else None)
        assert refused.status_code == 404, (method, path)
    assert ask(app, f"/api/videos/{asset_id(1)}/", headers=as_("anna")).status_code == 200
    assert container.catalogue.asset(asset_id(1)).state == "registered"


PEOPLE = ("anna", "berta", "chief")
EVERY_ADDRESS_OF_A_VIDEO = [
    ("GET", ""),
    ("POST", "cancel/"),
    ("POST", "retry/"),
    ("GET", "regions/"),
    ("PUT", "regions/"),
    ("GET", "report/"),
    ("GET", "receipt/"),
    ("GET", "output/"),
    ("GET", "progress/"),
    ("GET", "timeline/"),
    ("GET", "events/"),
    ("GET", "segments/"),
]


def test_frames_are_taken_of_own_videos_only(app: Any, container: Any) -> None:
    """H-05: "Video not found" for a video of somebody else, exactly as for none."""
    register(container.catalogue, 1)
    wish = {"video_id": asset_id(1), "segment_ids": [1], "anonymization_level": "faces", "output_format": "png"}
    answers = [
        ask(app, "/api/frames/anonymize/", method="POST", headers=as_("berta"), json=wish | {"video_id": video})
        for video in (asset_id(1), asset_id(9))
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]


def test_a_patients_videos_are_listed_by_pseudonym(app: Any, container: Any) -> None:
    """H-02: the filter goes on in the Link header."""
    for number in range(4):
        register(container.catalogue, number, subject="sr-1" if number else "sr-2")
    page = ask(app, "/api/videos/?subject=sr-1&limit=2")
    assert [video["id"] for video in page.json()["videos"]] == [asset_id(1), asset_id(2)]
    assert page.headers["link"] == f'<?after={asset_id(2)}&limit=2&subject=sr-1>; rel="next"'


def test_cancel_and_retry_change_the_state_once(app: Any, container: Any) -> None:
    """H-04: a second start of the same work is 409."""
    register(container.catalogue, 1)
    url = f"/api/videos/{asset_id(1)}"
    states = [ask(app, f"{url}/{act}/", method="POST") for act in ("cancel", "cancel", "retry", "retry")]
    assert [answer.status_code for answer in states] == [200, 409, 200, 409]
    assert [states[0].json()["state"], states[2].json()["state"]] == ["cancelled", "pending"]
    actors = {event.actor for event in container.catalogue.audit_events(asset_id(1)) if event.action != "work.queued"}
    assert "chief" in actors


def test_of_ten_simultaneous_starts_exactly_one_wins(app: Any, container: Any) -> None:
    """H-04: ten callers retry a cancelled video at once."""
    register(container.catalogue, 1)
    container.catalogue.cancel(asset_id(1), actor="test")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ask(app, f"/api/videos/{asset_id(1)}/retry/", method="POST"), range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9


def test_a_repetition_under_its_key_gets_the_first_answer(app: Any, container: Any) -> None:
    """H-04: the video is retried once; the second answer is the first one, byte for byte."""
    register(container.catalogue, 1)
    container.catalogue.cancel(asset_id(1), actor="test")
    url, key = f"/api/videos/{asset_id(1)}/retry/", as_("chief", **{"Idempotency-Key": '"a-1"'})
    first, second = ask(app, url, method="POST", headers=key), ask(app, url, method="POST", headers=key)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content
    assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
    other_body = ask(app, url, method="POST", headers=key, content=b"{}")
    assert (other_body.status_code, other_body.json()["reason"]) == (422, "idempotency_key_reused")
    container.catalogue.cancel(asset_id(1), actor="test")
    somebody_else = as_("anna", **{"Idempotency-Key": "a-1"})
    assert ask(app, url, method="POST", headers=somebody_else).status_code == 404


def test_a_refused_request_may_be_tried_again_under_its_key(app: Any, container: Any) -> None:
    """H-04: what changed nothing is not stored; a malformed key is 400."""
    register(container.catalogue, 1)
    url, key = f"/api/videos/{asset_id(1)}/retry/", {"Idempotency-Key": "b-2"}
    assert ask(app, url, method="POST", headers=key).status_code == 409
    container.catalogue.cancel(asset_id(1), actor="test")
    assert ask(app, url, method="POST", headers=key).status_code == 200
    assert ask(app, url, method="POST", headers={"Idempotency-Key": "a b"}).status_code == 400


def test_marks_become_part_of_the_policy_and_the_video_is_masked_again(app: Any, container: Any) -> None:
    """H-02, V-03: under a digest of its own, once the video is not on its way."""
    policy = container.policies.get("faces")
    container.policies.remember(policy)
    asset = register(container.catalogue, 1, policy=policy.reference)
    url = f"/api/videos/{asset_id(1)}/regions/"
    marks = {"regions": [{"x": 1, "y": 2, "width": 30, "height": 40, "start_frame": 5, "end_frame": None}]}
    assert ask(app, url).json() == {"regions": []}
    assert ask(app, url, method="PUT", json=marks).status_code == 409
    container.catalogue.cancel(asset.asset_id, actor="test")
    assert ask(app, url, method="PUT", json=marks).status_code == 200
    after = container.catalogue.asset(asset.asset_id)
    assert (after.state, after.policy.name) == ("registered", "faces")
    assert after.policy.digest != policy.digest
    assert [region.width for region in container.policies.by_reference(after.policy).marked] == [30]
    assert ask(app, url).json()["regions"][0]["must_be_solid"] is False
    assert ask(app, url, method="PUT", json=marks).status_code == 200  # nothing changed: nothing starts


@pytest.mark.parametrize(
    "region",
    [
        {"x": -1, "y": 0, "width": 1, "height": 1},
        {"x": 0, "y": 0, "width": 0, "height": 1},
        {"x": 0, "y": 0, "width": 1, "height": 1, "start_frame": 5, "end_frame": 5},
        {"x": 2**40, "y": 0, "width": 1, "height": 1},
        {"x": 0, "y": 0, "width": 1, "height": 1, "name": "zyxwvpatientovich"},
    ],
)
def test_an_impossible_mark_is_refused_without_an_echo(app: Any, container: Any, region: dict[str, Any]) -> None:
    """P-05: 422 says what is wrong and never the value."""
    register(container.catalogue, 1)
    answer = ask(app, f"/api/videos/{asset_id(1)}/regions/", method="PUT", json={"regions": [region]})
    assert answer.status_code == 422
    assert "patientovich" not in answer.text


def _bring_home(container: Any, **of_delivery: Artefact) -> None:
    """Every item that is due, done; the delivery with these artefacts."""
    while lease := container.catalogue.claim(set(WorkKind), owner="test-0001", lease_seconds=30):
        done = outcome(lease)
        is_last = lease.kind is WorkKind.DELIVER
        container.catalogue.complete(lease, done.model_copy(update=of_delivery) if is_last else done)


def test_report_and_receipt_are_there_once_there_is_something_to_tell(app: Any, container: Any) -> None:
    """H-02, D-06: the receipt comes byte for byte as it was signed."""
    register(container.catalogue, 1)
    for paper in ("report", "receipt"):
        assert ask(app, f"/api/videos/{asset_id(1)}/{paper}/").status_code == 404
    signed = b'{"signed": true}\n'
    stored = container.destination_blobs.put_bytes("r.json", signed)
    receipt = Artefact(ArtefactKind.RECEIPT, stored.name, stored.sha256, stored.size_bytes)
    _bring_home(container, receipt=receipt)
    told = ask(app, f"/api/videos/{asset_id(1)}/receipt/")
    assert told.content == signed
    assert told.headers["content-disposition"] == f'attachment; filename="{asset_id(1)}.receipt.json"'
    report = ask(app, f"/api/videos/{asset_id(1)}/report/")
    assert report.json()["frames"] == 100
    again = ask(app, f"/api/videos/{asset_id(1)}/report/", headers={"If-None-Match": report.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_progress_says_how_far_and_how_long(app: Any, container: Any) -> None:
    """H-02: frames, share, and a time only when there is something to judge by."""
    register(container.catalogue, 1)
    url = f"/api/videos/{asset_id(1)}/progress/"
    assert ask(app, url).json() == {
        "state": "pending",
        "progress": 0.0,
        "frames": None,
        "frames_masked": 0,
        "eta_seconds": None,
        "reason": None,
    }
    plan(container.catalogue, (0, 200), (200, 300))
    lease = container.catalogue.claim({WorkKind.MASK}, owner="test-0001", lease_seconds=30)
    container.catalogue.heartbeat(lease, lease_seconds=30, progress=0.5)
    shown = ask(app, url).json()
    assert (shown["frames"], shown["progress"]) == (300, 0.32)
    assert shown["eta_seconds"] >= 0


def test_the_timeline_comes_in_pages(app: Any, container: Any) -> None:
    """H-02: what happened, oldest first."""
    register(container.catalogue, 1)
    container.catalogue.cancel(asset_id(1), actor="test")
    url = f"/api/videos/{asset_id(1)}/timeline/"
    first = ask(app, f"{url}?limit=1").json()
    second = ask(app, f"{url}?limit=5&after={first['next_after']}").json()
    told = [(event["state"], event["reason"]) for event in first["events"] + second["events"]]
    assert (told, second["next_after"]) == ([("pending", None), ("cancelled", "cancelled")], None)


def test_a_caller_over_the_rate_waits_and_others_do_not(tmp_path: Path) -> None:
    """H-08: 429 with Retry-After; the clock stands still, so the burst is exact, over two replicas."""
    with gateway_container(tmp_path, door={"burst_requests": 10, "requests_per_second": 0.01}) as container:
        replicas = [app_for(container), app_for(container)]
        answers = [ask(replicas[n % 2], "/api/videos/", headers=as_("anna")) for n in range(14)]
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 4
        refused = answers[-1]
        assert refused.json()["reason"] == "rate_limited"
        assert 1 <= int(refused.headers["retry-after"]) <= 101
        assert refused.headers["ratelimit-policy"] == '"caller";q=10;w=1000'
        assert answers[0].headers["ratelimit"].startswith('"caller";r=9;')
        assert ask(replicas[0], "/api/videos/", headers=as_("berta")).status_code == 200
        assert ask(replicas[0], "/health/live", headers=as_("anna")).status_code == 200


def test_every_answer_is_json_that_a_client_can_read(app: Any, container: Any) -> None:
    """H-08: the description names every operation once."""
    document = ask(app, "/api/openapi.json").json()
    ids = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(ids) == len(set(ids))
    assert json.dumps(document)


def _delivered(container: Any, content: bytes) -> Artefact:
    """Video 1, with this content as what was published."""
    register(container.catalogue, 1)
    stored = container.destination_blobs.put_bytes("made.mp4", content)
    published = Artefact(ArtefactKind.PUBLISHED, stored.name, stored.sha256, stored.size_bytes)
    _bring_home(container, published=published)
    return published


def test_the_masked_file_is_fetched_once_it_is_delivered(app: Any, container: Any) -> None:
    """H-02, H-09: byte for byte, under a name without identity, with its digest, and who fetched it is in the audit."""
    content = bytes(range(256)) * 2000
    url = f"/api/videos/{asset_id(1)}/output/"
    assert ask(app, url).status_code == 404
    published = _delivered(container, content)
    told = ask(app, url)
    assert (told.status_code, told.content) == (200, content)
    assert told.headers["content-type"] == "video/mp4"
    assert told.headers["content-disposition"] == f'attachment; filename="{asset_id(1)}.mp4"'
    assert told.headers["etag"] == f'"{published.sha256}"'
    digest = base64.b64encode(bytes.fromhex(published.sha256)).decode()
    assert told.headers["repr-digest"] == f"sha-256=:{digest}:"
    again = ask(app, url, headers={"If-None-Match": told.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    fetched = [one for one in container.catalogue.audit_events(asset_id(1)) if one.action == "output.fetched"]
    assert [one.actor for one in fetched] == ["chief"]


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=300000-", 206, 300_000, 512_000),
        ("bytes=-10", 206, 511_990, 512_000),
        ("bytes=511999-900000", 206, 511_999, 512_000),
        ("bytes=0-1,5-6", 200, 0, 512_000),
        ("bytes=9-3", 200, 0, 512_000),
        ("frames=0-9", 200, 0, 512_000),
        ("bytes=512000-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
    ],
)
def test_a_broken_download_goes_on_where_it_broke(
    app: Any, container: Any, asked: str, status: int, start: int, end: int
) -> None:
    """H-02: one range, as RFC 9110 has it; only of the file that the client began with."""
    content = bytes(range(256)) * 2000
    published = _delivered(container, content)
    url = f"/api/videos/{asset_id(1)}/output/"
    told = ask(app, url, headers={"Range": asked})
    assert told.status_code == status
    if status == 416:
        assert (told.headers["content-range"], told.json()["reason"]) == ("bytes */512000", "range_beyond_the_end")
        return
    assert told.content == content[start:end]
    assert told.headers.get("content-range") == (f"bytes {start}-{end - 1}/512000" if status == 206 else None)
    same = ask(app, url, headers={"Range": asked, "If-Range": f'"{published.sha256}"'})
    other = ask(app, url, headers={"Range": asked, "If-Range": '"else"'})
    assert (same.content, other.status_code, other.content) == (told.content, 200, content)


def test_nothing_is_fetched_of_a_video_that_is_masked_anew(app: Any, container: Any) -> None:
    """H-02: what an earlier policy made is not what this one promises."""
    _delivered(container, b"by the earlier policy")
    url = f"/api/videos/{asset_id(1)}/output/"
    assert ask(app, url).status_code == 200
    register(container.catalogue, 1, policy=PolicyRef(name="full", digest="e" * 64))
    assert ask(app, url).status_code == 404
    container.catalogue.cancel(asset_id(1), actor="test")
    back = register(container.catalogue, 1)
    assert container.catalogue.artefacts(asset_id(1), back.policy.digest, ArtefactKind.PUBLISHED)
    assert back.state != "delivered"
    assert ask(app, url).status_code == 404


def test_a_file_that_was_changed_is_not_handed_out_to_its_end(app: Any, container: Any) -> None:
    """D-02: the client sees a broken answer, never a whole one with other bytes."""
    published = _delivered(container, b"masked" * 100_000)
    with container.destination_blobs.local_path(published.name) as path:
        path.chmod(0o600)
        path.write_bytes(b"strange" + path.read_bytes()[7:])
    with pytest.raises(ResponseBroken):
        ask(app, f"/api/videos/{asset_id(1)}/output/")
