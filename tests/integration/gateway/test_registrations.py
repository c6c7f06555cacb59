"""I-01: a video that lies in a container is taken in over HTTP where it lies, exactly in the version that was named."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from azure.storage.blob import ContainerClient

from opendrape.bootstrap import Container
from opendrape.domain.states import AssetState
from opendrape.domain.uploads import UploadState, place_of
from opendrape.embedded import embedded
from opendrape.errors import StorageUnavailable
from opendrape.ports.originals import Originals
from opendrape_gateway.registration_routes import is_inside
from opendrape_ingest.composition import build_registration_intake, build_upload_intake
from tests.fakes.door import app_for, serving, whole_container
from tests.integration.frames.numbered import numbered_clip
from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import container_behind

NAME = "OR 3/zyxwvpatientovich 4711990815 ?#%2e.mp4"


def content_of(seed: int, size: int = 300_017) -> bytes:
    """Bytes that look like an MP4 at their beginning and like nothing else after."""
    return b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + random.Random(seed).randbytes(size - 24)


def _silent(_name: str) -> None:
    raise StorageUnavailable


@pytest.fixture
def source(azurite: Azurite, container_name: str) -> Iterator[ContainerClient]:
    with container_behind(azurite, container_name) as client:
        client.create_container()
        yield client


@pytest.fixture
def container(azurite: Azurite, container_name: str, tmp_path: Path) -> Iterator[Container]:
    blobs = {"connection_string": azurite.connection_string(), "source_container": container_name}
    limits = {"max_bytes": 400_000, "reserve_bytes": 0, "open_per_user": 3}
    pseudonym = {"record_number_pattern": r"(?<!\d)(?P<record>\d{10})(?!\d)"}
    with whole_container(tmp_path, blobs=blobs, uploads=limits, pseudonym=pseudonym) as made:
        yield made


class Door:
    """What a client does here."""

    def __init__(self, container: Container, base: str) -> None:
        self.container, self._base = container, base

    def names(self, blob: Any, *, who: str = "anna", policy: str = "faces", **more: str) -> httpx.Response:
        headers = {"X-Test-Caller": who} | {name.replace("_", "-"): text for name, text in more.items()}
        url, headers = f"{self._base}/api/videos/registrations/", headers | {"Content-Type": "application/json"}
        # half a character is escaped, not refused here
        return httpx.post(url, content=json.dumps({"blob": blob, "policy": policy}), headers=headers)

    def get(self, path: str, *, who: str = "anna") -> httpx.Response:
        return httpx.get(self._base + path, headers={"X-Test-Caller": who})

    def ask(self, method: str, path: str) -> httpx.Response:
        headers = {"X-Test-Caller": "anna", "Tus-Resumable": "1.0.0", "Upload-Offset": "0"}
        kind = {"Content-Type": "application/offset+octet-stream"}
        return httpx.request(method, self._base + path, headers=headers | kind)

    def intake(self) -> None:
        build_registration_intake(self.container).tick()

    def takes_in(self, blob: str, *, who: str = "anna") -> dict[str, Any]:
        """Name it, let ingest work, and say what became of it."""
        answer = self.names(blob, who=who)
        assert answer.status_code == 202, answer.text
        self.intake()
        shown: dict[str, Any] = self.get(answer.headers["location"], who=who).json()
        return shown


@pytest.fixture
def door(container: Container) -> Iterator[Door]:
    with serving(app_for(container)) as base:
        yield Door(container, base)


def test_a_named_blob_becomes_its_callers_video_and_the_name_stays_with_the_key_map(
    door: Door, container: Container, source: ContainerClient, capfd: pytest.CaptureFixture[str]
) -> None:
    """I-01, P-04, H-09: 202 and an address; read where it lies; its name is in no answer, table or log."""
    content = content_of(1)
    source.upload_blob(NAME, content)
    answer = door.names(NAME)
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["video"]) == ("complete", None)
    door.intake()
    shown = door.get(answer.headers["location"]).json()
    assert (shown["state"], shown["length"]) == ("registered", len(content))
    asset = container.catalogue.asset(shown["video"])
    assert asset.content_sha256 == hashlib.sha256(content).hexdigest()
    assert asset.subject_id == container.key_map.subject_pseudonym("4711990815")
    assert door.get(f"/api/videos/{asset.asset_id}/").status_code == 200
    assert door.get(f"/api/videos/{asset.asset_id}/", who="berta").status_code == 404
    with container.sources.open(asset.asset_id) as opened:
        assert opened.size_bytes == len(content)
    assert container.key_map.known_source(place_of(shown["id"])) is None
    acts = [(event.actor, event.action) for event in container.catalogue.audit_events(shown["id"])]
    assert acts == [("anna", "upload.created"), ("anna", "upload.completed"), ("ingest", "upload.registered")]
    tables = b"".join(file.read_bytes() for file in container.settings.state_dir.glob("*.sqlite3*"))
    told = answer.text + str(answer.headers) + str(shown) + door.get("/api/uploads/").text + "".join(capfd.readouterr())
    assert "patientovich" not in told
    assert b"patientovich" not in tables


UNFIT: list[Any] = [
    *("https://169.254.169.254/latest/meta-data", "azure-blob://other/a.mp4", "//other/a.mp4", "/a.mp4", "a.mp4/"),
    *("../a.mp4", "a/../../b.mp4", "a/./b.mp4", "a//b.mp4", "..", ".", " ", "a/ ../b.mp4", "a\\..\\b.mp4"),
    *("a\x00.mp4", "a\r\nx-ms-copy-source: b", "\ud800.mp4", "", "n" * 1025, 7, None, ["a.mp4"]),
]


def test_what_is_no_name_within_the_container_is_refused_unseen(door: Door) -> None:
    """I-01, P-05: no address of the caller's choosing, no way out, and nothing of it comes back."""
    for name in UNFIT:
        answer = door.names(name)
        assert answer.status_code == 422, repr(name)
        assert answer.headers["content-type"] == "application/problem+json"
        assert not (isinstance(name, str) and len(name) > 4 and name in answer.text)
        assert "169.254" not in answer.text


def test_ordinary_names_are_inside() -> None:
    """I-01: what hospitals call their files."""
    assert all(map(is_inside, ("a.mp4", "OR 3/Müller, Anna (2).mp4", "2026/11/..a..b.mp4", "100%.mp4", "?x=1#y.mp4")))


def test_a_blob_that_is_not_there_is_not_found_and_not_named(door: Door, source: ContainerClient) -> None:
    """I-01, P-05: 404 like everything that is not there."""
    source.upload_blob("there.mp4", content_of(2))
    answer = door.names("zyxwvpatientovich.mp4")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    assert "patientovich" not in answer.text + str(answer.headers)
    assert door.get("/api/uploads/").json()["uploads"] == []


def test_without_a_storage_of_originals_there_is_nothing_to_name(tmp_path: Path) -> None:
    """I-01: 404 with a reason that says so."""
    with whole_container(tmp_path) as container, serving(app_for(container)) as base:
        answer = Door(container, base).names("a.mp4")
        assert (answer.status_code, answer.json()["reason"]) == (404, "no_source_storage")


def test_a_blob_that_is_changed_before_it_was_read_is_refused_and_another_video_when_named_again(
    door: Door, container: Container, source: ContainerClient
) -> None:
    """I-01: the version that was named or none."""
    source.upload_blob("a.mp4", content_of(3))
    waiting = door.names("a.mp4")
    source.upload_blob("a.mp4", content_of(4), overwrite=True)
    door.intake()
    shown = door.get(waiting.headers["location"]).json()
    assert (shown["state"], shown["reason"], shown["video"]) == ("refused", "source_changed", None)
    assert container.key_map.known_source(place_of(shown["id"])) is None
    anew = door.takes_in("a.mp4")
    asset = container.catalogue.asset(anew["video"])
    assert asset.content_sha256 == hashlib.sha256(content_of(4)).hexdigest()


def test_a_blob_that_is_changed_later_is_a_new_video(door: Door, container: Container, source: ContainerClient) -> None:
    """I-01, I-04: the first video keeps its identity and never gets the other's bytes."""
    source.upload_blob("a.mp4", content_of(5))
    first = door.takes_in("a.mp4")["video"]
    source.upload_blob("a.mp4", content_of(6), overwrite=True)
    second = door.takes_in("a.mp4")["video"]
    assert second != first
    with pytest.raises(Exception, match="source") as refused, container.sources.open(first):
        pass
    assert getattr(refused.value, "reason", "") in {"source_gone", "source_changed"}


def test_known_content_is_the_same_video_for_whoever_names_it(
    door: Door, container: Container, source: ContainerClient
) -> None:
    """I-04: as with uploads: two people own one video; a blob that did not change is not read again."""
    source.upload_blob("a.mp4", content_of(7))
    source.upload_blob("copy.mp4", content_of(7))
    mine = door.takes_in("a.mp4")
    again, copied = door.takes_in("a.mp4", who="berta"), door.takes_in("copy.mp4", who="berta")
    assert mine["video"] == again["video"] == copied["video"]
    assert len(container.catalogue.assets()) == 1
    for who in ("anna", "berta"):
        assert door.get(f"/api/videos/{mine['video']}/", who=who).status_code == 200
    assert door.get(f"/api/uploads/{mine['id']}/", who="berta").status_code == 404


def test_the_same_request_under_a_key_is_one_registration(door: Door, source: ContainerClient) -> None:
    """H-04: the stored answer again; another name under the key is refused."""
    source.upload_blob("a.mp4", content_of(8))
    first, second = (door.names("a.mp4", Idempotency_Key="k1") for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert door.names("b.mp4", Idempotency_Key="k1").status_code == 422
    assert len(door.get("/api/uploads/").json()["uploads"]) == 1


@pytest.mark.parametrize(("size", "reason"), [(0, "empty_file"), (400_001, "upload_too_long")])
def test_sizes_have_limits(size: int, reason: str, door: Door, source: ContainerClient) -> None:
    """I-01: neither nothing nor more than an upload may have."""
    source.upload_blob("a.mp4", bytes(size))
    answer = door.names("a.mp4")
    assert (answer.status_code, answer.json()["reason"]) == (422, reason)


def test_somebodys_share_holds_here_too(door: Door, source: ContainerClient) -> None:
    """H-08: open registrations count like open uploads."""
    source.upload_blob("a.mp4", content_of(9))
    assert [door.names("a.mp4").status_code for _ in range(4)] == [202, 202, 202, 429]
    assert door.names("a.mp4", who="berta").status_code == 202


def test_what_is_no_video_or_vanished_is_refused_with_its_reason(door: Door, source: ContainerClient) -> None:
    """I-02: by its content, like an upload."""
    source.upload_blob("a.mp4", b"#!/bin/sh\n" * 99)
    source.upload_blob("b.mp4", content_of(10))
    assert (door.takes_in("a.mp4")["state"], door.takes_in("a.mp4")["reason"]) == ("refused", "not_a_video")
    waiting = door.names("b.mp4")
    source.delete_blob("b.mp4")
    door.intake()
    assert door.get(waiting.headers["location"]).json()["reason"] == "source_gone"


def test_a_registration_takes_no_bytes_and_uploads_are_not_its_ingests(
    door: Door, container: Container, source: ContainerClient
) -> None:
    """I-01: the upload protocol does not know it, and what takes uploads up leaves it alone."""
    source.upload_blob("a.mp4", content_of(11))
    address = door.names("a.mp4").headers["location"]
    for method in ("HEAD", "PATCH", "DELETE"):
        assert door.ask(method, address).status_code == 404
    build_upload_intake(container).tick()
    assert door.get(address).json()["state"] == "complete"
    door.intake()
    assert door.get(address).json()["state"] == "registered"


def test_a_storage_that_does_not_answer_is_waited_for(
    azurite: Azurite, container_name: str, tmp_path: Path, source: ContainerClient
) -> None:
    """I-01, O-03: nothing is refused for it; one that stays unreadable is, in the end."""
    source.upload_blob("a.mp4", content_of(12))
    blobs = {"connection_string": azurite.connection_string(), "source_container": container_name, "attempts": 1}
    with whole_container(tmp_path, blobs=blobs, uploads={"reserve_bytes": 0}) as made, serving(app_for(made)) as base:
        door = Door(made, base)
        address = door.names("a.mp4").headers["location"]
        intake = build_registration_intake(made)
        intake.originals = cast("Originals", SimpleNamespace(look=_silent))
        intake.tick()
        assert door.get(address).json()["state"] == "complete"
        door.intake()
        assert door.get(address).json()["state"] == "registered"


def test_a_name_is_not_left_behind_by_a_process_that_died(
    door: Door, container: Container, source: ContainerClient
) -> None:
    """P-04: between the last row and the name: the next process's first look forgets it."""
    source.upload_blob("a.mp4", content_of(13))
    shown = door.names("a.mp4").json()
    container.door.uploads.close(shown["id"], UploadState.REFUSED, reason="source_gone", actor="test")
    assert container.key_map.known_source(place_of(shown["id"])) is not None
    door.intake()
    assert container.key_map.known_source(place_of(shown["id"])) is None


@pytest.mark.timeout(60)
def test_it_goes_all_the_way_without_being_moved(door: Door, container: Container, source: ContainerClient) -> None:
    """I-01, D-01: named over HTTP, taken in by the running services, read by ranges, delivered."""
    clip = numbered_clip(container.settings.state_dir / "film.mp4", frames=30)
    source.upload_blob(NAME, clip.read_bytes())
    clip.unlink()
    answer = door.names(NAME, policy="minimal")
    with embedded(container) as services:
        while door.get(answer.headers["location"]).json()["state"] == "complete" or not services.is_idle():
            services.check()
            services.pause(0.05)
    asset = container.catalogue.asset(door.get(answer.headers["location"]).json()["video"])
    assert (asset.state, asset.policy.name) == (AssetState.DELIVERED, "minimal"), asset.reason
    assert not container.settings.uploads_dir.exists()
    assert [blob.name for blob in source.list_blobs()] == [NAME]
