"""H-04, H-07: the HTTP surface over a real catalogue: videos, health, metrics, problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape.domain.states import API_NAMES, AssetState
from opendrape.domain.work import Failure, WorkKind
from opendrape.errors import CatalogueUnavailable, Disposition, NotFound, StorageUnavailable
from opendrape_gateway.composition import create_app
from opendrape_gateway.openapi_page import openapi_text
from opendrape_gateway.schemas import VideoState
from tests.fakes.gateway import Breakable, ask, asset_id, gateway_container, plan, register

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    return create_app(container)


def fail(container: Any, kind: WorkKind, reason: str, disposition: Disposition = Disposition.FAIL) -> None:
    lease = container.catalogue.claim({kind}, owner="test-0001", lease_seconds=30)
    container.catalogue.fail(lease, Failure(reason=reason, disposition=disposition))


def is_problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["instance"] == f"urn:uuid:{response.headers['x-request-id'].replace('-', '')}"
    return problem


# -- videos ---------------------------------------------------------------------------------------------------------
def test_an_empty_catalogue_lists_nothing(app: Any) -> None:
    """H-04: a list without videos is a list."""
    response = ask(app, "/api/videos/")
    assert response.status_code == 200
    assert response.json() == {"videos": [], "next_after": None}
    assert "link" not in response.headers


def test_the_address_works_without_its_last_slash(app: Any, container: Any) -> None:
    """H-01: also without the trailing slash, and without a redirect that would echo the query."""
    register(container.catalogue, 1)
    assert ask(app, "/api/videos").json() == ask(app, "/api/videos/").json()
    assert ask(app, f"/api/videos/{asset_id(1)}").json() == ask(app, f"/api/videos/{asset_id(1)}/").json()


def test_pages_follow_the_link_header_without_gap_or_double(app: Any, container: Any) -> None:
    """H-02: keyset pages; five videos in pages of two."""
    for number in range(5):
        register(container.catalogue, number)
    seen, url = [], "/api/videos/?limit=2"
    for _ in range(3):
        response = ask(app, url)
        seen += [video["id"] for video in response.json()["videos"]]
        link = response.headers.get("link")
        url = "/api/videos/" + link.partition("<")[2].partition(">")[0] if link else ""
    assert seen == [asset_id(number) for number in range(5)]
    assert url == ""


def test_a_page_is_not_disturbed_by_a_new_video(app: Any, container: Any) -> None:
    """H-02: a keyset page starts after an id, not after a count."""
    register(container.catalogue, 2)
    register(container.catalogue, 4)
    first = ask(app, "/api/videos/?limit=1").json()
    register(container.catalogue, 1)
    second = ask(app, f"/api/videos/?limit=1&after={first['next_after']}").json()
    assert [video["id"] for video in second["videos"]] == [asset_id(4)]


def test_a_filter_takes_the_names_of_the_api(app: Any, container: Any) -> None:
    """H-04: `processing` stands for several internal states; pages hold across them."""
    for number in range(4):
        register(container.catalogue, number)
    plan(container.catalogue, (0, 300))
    fail(container, WorkKind.PLAN, "media_refused")
    states = [ask(app, f"/api/videos/?state={name}").json()["videos"] for name in ("processing", "failed", "pending")]
    assert [[video["id"] for video in videos] for videos in states] == [
        [asset_id(0)],
        [asset_id(1)],
        [asset_id(2), asset_id(3)],
    ]
    page = ask(app, "/api/videos/?state=pending&limit=1")
    assert page.headers["link"] == f'<?after={asset_id(2)}&limit=1&state=pending>; rel="next"'


def test_every_internal_state_has_exactly_one_name_in_the_api() -> None:
    """H-04: pending, processing, completed, failed, cancelled, quarantined."""
    assert set(API_NAMES) == set(AssetState)
    assert {VideoState(name) for name in API_NAMES.values()} == set(VideoState)


def test_a_video_shows_state_progress_reason_media_and_chunks(app: Any, container: Any) -> None:
    """H-02, H-04: everything the ledger knows about one video."""
    register(container.catalogue, 1, subject="sr-" + "0" * 26)
    plan(container.catalogue, (0, 200), (200, 300))
    video = ask(app, f"/api/videos/{asset_id(1)}/").json()
    assert (video["state"], video["internal_state"], video["progress"]) == ("processing", "masking", 0.02)
    assert video["subject"] == "sr-" + "0" * 26
    assert video["policy"]["name"] == "faces"
    assert (video["media"]["width"], video["media"]["frames"], video["media"]["audio_streams"]) == (1920, 300, 1)
    assert video["chunks"] == [
        {"index": 0, "start_frame": 0, "end_frame": 200, "masked": False},
        {"index": 1, "start_frame": 200, "end_frame": 300, "masked": False},
    ]


def test_a_failed_video_says_why(app: Any, container: Any) -> None:
    """H-04: reason as a slug and as a sentence; a quarantined one is not called failed."""
    register(container.catalogue, 1)
    register(container.catalogue, 2)
    fail(container, WorkKind.PLAN, "media_refused")
    fail(container, WorkKind.PLAN, "residual_found", Disposition.QUARANTINE)
    first, second = ask(app, "/api/videos/").json()["videos"]
    assert (first["state"], first["reason"]) == ("failed", "media_refused")
    assert first["reason_text"].startswith("The file is corrupt")
    assert (second["state"], second["reason"]) == ("quarantined", "residual_found")


def test_heartbeats_move_the_progress(app: Any, container: Any) -> None:
    """H-02: progress between two finished items."""
    register(container.catalogue, 1)
    plan(container.catalogue, (0, 300))
    lease = container.catalogue.claim({WorkKind.MASK}, owner="masker-0001", lease_seconds=30)
    container.catalogue.heartbeat(lease, lease_seconds=30, progress=0.5)
    assert ask(app, f"/api/videos/{asset_id(1)}/").json()["progress"] == pytest.approx(0.47)


def test_an_entity_tag_spares_the_body_until_something_changes(app: Any, container: Any) -> None:
    """H-02: 304 while nothing changed, 200 with another tag afterwards."""
    register(container.catalogue, 1)
    url = f"/api/videos/{asset_id(1)}/"
    tag = ask(app, url).headers["etag"]
    for listed in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = ask(app, url, headers={"If-None-Match": listed})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    plan(container.catalogue, (0, 300))
    changed = ask(app, url, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


# -- health and metrics ---------------------------------------------------------------------------------------------
def test_health_asks_every_dependency(app: Any) -> None:
    """H-07: four dependencies, each with its status."""
    for path in ("/health", "/health/ready"):
        response = ask(app, path)
        assert response.status_code == 200
        assert {one["name"]: one["status"] for one in response.json()["dependencies"]} == {
            "catalogue": "ok",
            "work_storage": "ok",
            "destination": "ok",
            "key_map": "ok",
            "doorbell": "ok",
        }


@pytest.mark.parametrize("broken", ["key_map", "work_blobs", "destination_blobs"])
def test_a_broken_dependency_turns_ready_to_503_and_live_stays(app: Any, container: Any, broken: str) -> None:
    """H-07: readiness tells, liveness does not kill the process for it."""
    dependency: Breakable = getattr(container, broken)
    dependency.breaks_with(StorageUnavailable())
    response = ask(app, "/health/ready")
    assert response.status_code == 503
    assert response.json()["status"] == "failed"
    assert [one["reason"] for one in response.json()["dependencies"] if one["status"] == "failed"] == [
        "storage_unavailable"
    ]
    assert ask(app, "/health/live").status_code == 200
    dependency.breakage = lambda: None
    container.clock.seconds += 1.0
    assert ask(app, "/health/ready").status_code == 200


def test_a_catalogue_that_is_gone_turns_everything_that_needs_it_to_503(
    app: Any, container: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-07: health and videos say so; metrics still answer, without figures."""

    def gone(*_: object, **__: object) -> None:
        raise CatalogueUnavailable

    assert ask(app, "/health/ready").status_code == 200
    for name in ("check", "assets", "queue_depth"):
        monkeypatch.setattr(type(container.catalogue), name, gone)
    monkeypatch.setattr(type(container.door.videos), "page", gone)
    container.clock.seconds += 1.0
    assert ask(app, "/health/ready").status_code == 503
    assert is_problem(ask(app, "/api/videos/"), 503)["reason"] == "catalogue_unavailable"
    assert "opendrape_catalogue_up 0.0" in ask(app, "/metrics").text


def test_metrics_tell_queue_states_storage_and_requests(app: Any, container: Any) -> None:
    """H-07: figures from the catalogue at scrape time, requests by route template."""
    register(container.catalogue, 1)
    ask(app, f"/api/videos/{asset_id(1)}/")
    ask(app, "/health/ready")
    text = ask(app, "/metrics").text
    assert 'opendrape_queue_depth{kind="plan"} 1.0' in text
    assert 'opendrape_assets{state="registered"} 1.0' in text
    assert 'opendrape_storage_free_bytes{store="state"}' in text
    assert 'opendrape_dependency_up{dependency="key_map"} 1.0' in text
    assert 'opendrape_http_requests_total{method="GET",route="/api/videos/{asset_id}/",status="200"} 1.0' in text
    assert asset_id(1) not in text


# -- problems -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/nowhere", "/api/videos/ar-unknown/", "/api/videos/UPPER%20case/", "/docs"])
def test_what_is_not_there_is_a_problem(app: Any, path: str) -> None:
    """H-03: RFC 9457 also for the framework's own 404."""
    assert is_problem(ask(app, path), 404)["title"] == "Not Found"


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(app: Any) -> None:
    """H-03: RFC 9457 for 405, with Allow."""
    response = ask(app, "/api/videos/", method="DELETE")
    is_problem(response, 405)
    assert response.headers["allow"] == "GET, POST"


def test_all_wrong_parameters_are_reported_together_without_their_values(app: Any) -> None:
    """H-03, P-05: where and what, never the value."""
    response = ask(app, "/api/videos/?limit=Patientovich&state=Patientovich&after=Patientovich")
    problem = is_problem(response, 422)
    assert {(one["location"], one["name"]) for one in problem["errors"]} == {
        ("query", "limit"),
        ("query", "state"),
        ("query", "after"),
    }
    assert "Patientovich" not in response.text


def test_a_bug_is_a_problem_without_a_word_about_it(
    app: Any, container: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-05: an unexpected exception is 500; its text goes neither to the client nor to the log."""

    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("cannot open /data/Patientovich.mp4")

    monkeypatch.setattr(type(container.door.videos), "page", bug)
    response = ask(app, "/api/videos/")
    assert is_problem(response, 500)["reason"] == "unexpected"
    assert "Patientovich" not in response.text
    written = capsys.readouterr().err
    assert "RuntimeError" in written
    assert "Patientovich" not in written


def test_the_texts_of_our_own_errors_stay_inside_too(app: Any, container: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-05: a problem carries the reason's sentence, not the exception's."""

    def missing(*_: object, **__: object) -> None:
        raise NotFound("Patientovich", reason="Patientovich")

    monkeypatch.setattr(type(container.door.videos), "glance", missing)
    response = ask(app, f"/api/videos/{asset_id(1)}/")
    assert is_problem(response, 404)["type"] == "about:blank"
    assert "Patientovich" not in response.text


# -- the front ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/api/videos/?limit=0"])
def test_every_answer_has_security_headers_and_an_id(app: Any, path: str) -> None:
    """H-08: also on errors."""
    headers = ask(app, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert len(headers["x-request-id"]) == 36
    assert "access-control-allow-origin" not in headers


def test_a_client_may_bring_its_own_id_if_it_is_a_uuid(app: Any) -> None:
    """P-05: anything else in the header is replaced, not echoed."""
    own = "6f1c7f3e-7a65-4a44-9d8c-2b6f0d9a1c11"
    assert ask(app, "/health/live", headers={"X-Request-ID": own}).headers["x-request-id"] == own
    assert "smith" not in ask(app, "/health/live", headers={"X-Request-ID": "smith"}).headers["x-request-id"]


def test_a_web_page_cannot_talk_to_a_loopback_gateway_under_its_own_name(app: Any) -> None:
    """H-08: without authentication, DNS rebinding would open the list to any page in a browser on this machine."""
    is_problem(ask(app, "/api/videos/", headers={"Host": "evil.example:8080"}), 421)
    for host in ("localhost:8080", "[::1]:8080", "127.0.0.1"):
        assert ask(app, "/api/videos/", headers={"Host": host}).status_code == 200


def test_a_gateway_that_listens_elsewhere_takes_any_host(container: Any) -> None:
    """H-07: in the cluster the scraper uses the pod's address."""
    gateway = container.settings.gateway.model_copy(update={"host": "0.0.0.0"})
    container.settings = container.settings.model_copy(update={"gateway": gateway})
    assert ask(create_app(container), "/health/live", headers={"Host": "10.1.2.3:8080"}).status_code == 200


def test_an_answer_that_breaks_half_way_is_cut_off_and_nothing_of_it_is_logged(
    app: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-05: no second answer, no text of the exception."""
    from fastapi.responses import StreamingResponse

    from opendrape_gateway.front import ResponseBroken

    async def pieces() -> Any:
        yield b"begun"
        raise RuntimeError("Patientovich")

    app.add_api_route("/broken", lambda: StreamingResponse(pieces()))
    with pytest.raises(ResponseBroken):
        ask(app, "/broken")
    assert "Patientovich" not in capsys.readouterr().err


# -- the description ------------------------------------------------------------------------------------------------
def test_the_committed_description_is_the_present_one(app: Any) -> None:
    """H-08: when it drifts, run `python -m opendrape_gateway.openapi_page > docs/openapi.json`."""
    assert (ROOT / "docs" / "openapi.json").read_text() == openapi_text()
    assert ask(app, "/api/openapi.json").json() == json.loads(openapi_text())


OPERATIONS = frozenset(
    [
        "addSegment",
        "appendToUpload",
        "cancelFrames",
        "cancelImage",
        "cancelVideo",
        "changeWebhook",
        "createKey",
        "createUpload",
        "createWebhook",
        "deleteWebhook",
        "downloadFrames",
        "exportAuditEvents",
        "getFramesHealth",
        "getFramesStatus",
        "getHealth",
        "getImage",
        "getImageOutput",
        "getImageReceipt",
        "getImageRegions",
        "getImageReport",
        "getLiveness",
        "getMarkedRegions",
        "getMetrics",
        "getOutput",
        "getProgress",
        "getReadiness",
        "getReceipt",
        "getReport",
        "getSegment",
        "getTimeline",
        "getUpload",
        "getUploadAbilities",
        "getUploadOffset",
        "getVideo",
        "getWebhook",
        "listAuditEvents",
        "listDeliveries",
        "listFrames",
        "listImages",
        "listKeys",
        "listSegments",
        "listUploads",
        "listVideos",
        "listWebhooks",
        "makeFramesToken",
        "putImageRegions",
        "putMarkedRegions",
        "registerVideo",
        "removeSegment",
        "replaceSegment",
        "retryImage",
        "retryVideo",
        "revokeKey",
        "rotateKey",
        "startFrames",
        "streamEvents",
        "terminateUpload",
        "uploadImage",
        "uploadVideo",
        "verifyAudit",
    ]
)
"""What clients are generated from: an id that goes or changes breaks them."""


def test_operations_have_stable_ids_and_documented_problems() -> None:
    """H-08: complete enough for client generation."""
    document = json.loads(openapi_text())
    operations = {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }
    assert set(operations) == OPERATIONS
    for operation in operations.values():
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and status != "503":
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
    text = openapi_text()
    assert "HTTPValidationError" not in text
    for reference in set(text.split('"$ref": "#/components/schemas/')[1:]):
        assert reference.partition('"')[0] in document["components"]["schemas"]
