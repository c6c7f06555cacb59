"""H-02, V-13: pictures over HTTP: brought, masked, listed apart from videos, marked, told of by a signed receipt."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from opendrape.bootstrap import Container
from opendrape.domain.pseudonym import is_picture
from opendrape.embedded import embedded
from tests.fakes.door import app_for, serving, whole_container
from tests.fakes.gateway import asset_id, picture_id, register
from tests.integration.media.footage import pattern
from tests.synthetic.picture_files import coded, jpeg_with, png_with, scene

NAME = "zyxwvpatientovich 4711990815.png"
WORDS = b"zyxwvpatientovich"
DEADLINE_SECONDS = 60.0
QUICK = {"work": {"sweep_seconds": 0.2}, "uploads": {"reserve_bytes": 0, "policy": "minimal"}}


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    with whole_container(tmp_path, **QUICK) as made:
        yield made


@pytest.fixture
def base(container: Container) -> Iterator[str]:
    with serving(app_for(container)) as address:
        yield address


def eventually(ask: Any) -> Any:
    """What ``ask`` gives once it gives something."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def settled(base: str, address: str) -> dict[str, Any]:
    """The asset when its journey is over."""

    def ask() -> dict[str, Any] | None:
        shown: dict[str, Any] = httpx.get(base + address).json()
        return shown if shown["state"] not in {"pending", "processing"} else None

    return dict(eventually(ask))


def registered(base: str, upload: str) -> dict[str, Any]:
    """The upload when it is something."""

    def ask() -> dict[str, Any] | None:
        shown: dict[str, Any] = httpx.get(base + upload).json()
        return shown if shown["state"] in {"registered", "refused"} else None

    return dict(eventually(ask))


def brought_by_form(base: str, content: bytes, address: str = "/api/images/") -> dict[str, Any]:
    answer = httpx.post(base + address, files={"file": (NAME, content)})
    assert answer.status_code == 202, answer.text
    return registered(base, answer.headers["location"])


def brought_by_tus(base: str, content: bytes) -> dict[str, Any]:
    spoken = {"Tus-Resumable": "1.0.0"}
    name = base64.b64encode(NAME.encode()).decode()
    begun = httpx.post(
        f"{base}/api/uploads/",
        headers=spoken | {"Upload-Length": str(len(content)), "Upload-Metadata": f"filename {name}"},
    )
    piece = spoken | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert httpx.patch(base + begun.headers["location"], content=content, headers=piece).status_code == 204
    return registered(base, begun.headers["location"])


def test_a_picture_goes_the_whole_way_over_http(container: Container, base: str) -> None:
    """H-02, V-13, V-14, D-06: form upload to signed receipt; marks mask it again; nothing of its sender comes back."""
    content = png_with(coded(".png", scene()), words=WORDS)
    said = [b""]
    with embedded(container):
        upload = brought_by_form(base, content)
        assert (upload["state"], upload["video"]) == ("registered", None)
        address = f"/api/images/{upload['image']}/"
        shown = settled(base, address)
        assert (shown["state"], shown["progress"]) == ("completed", 1.0)
        assert shown["media"] == {
            "family": "png",
            "width": 128,
            "height": 96,
            "colours": "rgb8",
            "metadata_blocks": 5,
        }
        marks = {"regions": [{"x": 32, "y": 24, "width": 40, "height": 32, "start_frame": 0, "end_frame": None}]}
        assert httpx.put(f"{base}{address}regions/", json=marks).status_code == 200
        assert settled(base, address)["state"] == "completed"
        for more in ("", "regions/", "report/", "receipt/"):
            answer = httpx.get(f"{base}{address}{more}")
            assert answer.status_code == 200, more
            said.append(answer.content)
        report = httpx.get(f"{base}{address}report/").json()
        receipt = httpx.get(f"{base}{address}receipt/").json()["receipt"]
        output = httpx.get(f"{base}{address}output/")
        assert httpx.get(f"{base}{address.replace('images', 'videos')}output/").status_code == 404
    assert (report["frames"], report["masked_frames"]) == (1, 1)
    with container.destination_blobs.local_path(receipt["output"]["name"]) as path:
        file = path.read_bytes()
    after = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (output.content, output.headers["content-type"]) == (file, "image/png")
    assert receipt["output"]["name"].endswith(".png")
    assert not after[24:56, 32:72].any()
    np.testing.assert_array_equal(after[:20], scene()[:20])
    assert not any(WORDS in text for text in (*said, file, json.dumps(upload).encode()))


def test_the_content_decides_whether_it_is_a_picture_whatever_the_address(
    container: Container, base: str, tmp_path: Path
) -> None:
    """I-02, H-02: a video brought as a picture is a video; each is found under its own address and in its own list."""
    video = pattern(tmp_path / "clip.mp4", size="64x48", seconds="0.5").read_bytes()
    with embedded(container):
        as_video = brought_by_form(base, video)
        by_tus = brought_by_tus(base, jpeg_with(coded(".jpg", scene()), words=WORDS))
        as_picture = brought_by_form(base, coded(".png", scene()), "/api/videos/")
    assert (as_video["image"], by_tus["video"], as_picture["video"]) == (None, None, None)
    assert is_picture(by_tus["image"])
    listed = {one["id"] for one in httpx.get(f"{base}/api/images/").json()["images"]}
    assert listed == {by_tus["image"], as_picture["image"]}
    assert [one["id"] for one in httpx.get(f"{base}/api/videos/").json()["videos"]] == [as_video["video"]]
    for wrong in (f"/api/videos/{by_tus['image']}/", f"/api/images/{as_video['video']}/"):
        assert httpx.get(base + wrong).status_code == 404
        assert httpx.post(f"{base}{wrong}cancel/").status_code == 404
        assert httpx.get(f"{base}{wrong}receipt/").status_code == 404
    for only_videos in ("segments/", "timeline/", "progress/", "events/"):
        assert httpx.get(f"{base}/api/videos/{by_tus['image']}/{only_videos}").status_code == 404
        assert httpx.get(f"{base}/api/images/{by_tus['image']}/{only_videos}").status_code == 404


def test_a_picture_that_is_refused_says_why(container: Container, base: str) -> None:
    """V-13, V-16: it fails with its reason, and nothing is delivered."""
    transparent = np.dstack([scene(), np.full((96, 128), 100, np.uint8)])
    with embedded(container):
        upload = brought_by_form(base, coded(".png", transparent))
        shown = settled(base, f"/api/images/{upload['image']}/")
    assert (shown["state"], shown["reason"]) == ("failed", "image_transparency")
    assert shown["reason_text"]
    assert list(container.destination_blobs.list()) == []


def test_pictures_are_cancelled_retried_and_paged_like_videos(container: Container, base: str) -> None:
    """H-02, H-04: the same rules; ids after ids, a Link to the next page."""
    for number in range(3):
        register(container.catalogue, number, name=picture_id)
        register(container.catalogue, number)
    first = httpx.get(f"{base}/api/images/?limit=2")
    assert [one["id"] for one in first.json()["images"]] == [picture_id(0), picture_id(1)]
    second = httpx.get(f"{base}/api/images/{first.links['next']['url']}")
    assert [one["id"] for one in second.json()["images"]] == [picture_id(2)]
    one = f"{base}/api/images/{picture_id(1)}/"
    assert httpx.post(f"{one}retry/").status_code == 409
    assert httpx.post(f"{one}cancel/").json()["state"] == "cancelled"
    assert httpx.post(f"{one}retry/").json()["state"] == "pending"
    assert httpx.get(one, headers={"X-Test-Caller": "anna"}).status_code == 404
    container.door.owners.add(picture_id(1), "anna")
    assert httpx.get(one, headers={"X-Test-Caller": "anna"}).status_code == 200
    own = httpx.get(f"{base}/api/images/", headers={"X-Test-Caller": "anna"}).json()["images"]
    assert [picture["id"] for picture in own] == [picture_id(1)]
    assert httpx.get(f"{base}/api/videos/{asset_id(1)}/").status_code == 200
    assert httpx.post(f"{one}cancel/", headers={"X-Test-Caller": "anna"}).json()["state"] == "cancelled"
