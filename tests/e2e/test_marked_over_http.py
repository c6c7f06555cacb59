"""V-03, H-02: what a person marks over HTTP is painted in the delivered video, on each frame of its time alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendrape.access.key_office import KeyOffice
from opendrape.bootstrap import Container, bootstrap
from opendrape.domain.access import Role
from opendrape.domain.states import AssetState
from opendrape.domain.work import ArtefactKind
from opendrape.embedded import embedded
from opendrape.settings import FrameSettings, IngestSettings, Settings, WorkSettings
from opendrape_gateway.composition import create_app
from opendrape_ingest.scan import scan
from tests.fakes.gateway import ADMIN_KEY, ask
from tests.integration.frames.numbered import FRAMES, HEIGHT, WIDTH, decoded, number_on, numbered_clip

pytestmark = pytest.mark.timeout(120)
PLAIN = """
version = 1
name = "marks"
summary = "Only what a person marks; no model is needed."
chunk_seconds = "2"
"""
DARK, CLEAR, COLLAR = 24, 18, 2
"""Grey values: the darkest that is shown elsewhere is 100 but for the number at the bottom; what an encoder may change;
and pixels around a region that belong to it because of its chroma."""

Marks = list[dict[str, int]]
FIRST = {"x": 20, "y": 10, "width": 40, "height": 30, "start_frame": 33, "end_frame": 78}
"""From within a group of pictures into another chunk."""
ONE_FRAME = {"x": 101, "y": 31, "width": 17, "height": 13, "start_frame": 90, "end_frame": 91}
"""At odd places, for one frame."""
TO_THE_END = {"x": WIDTH - 20, "y": 50, "width": 400, "height": 20, "start_frame": 120}
"""Over the rim of the picture, without an end."""
PAST_THE_END = {"x": 0, "y": 60, "width": 16, "height": 16, "start_frame": FRAMES - 1, "end_frame": 10 * FRAMES}
WHOLE_TIME = {"x": 130, "y": 4, "width": 12, "height": 12}
OVERLAPPING = {"x": 50, "y": 20, "width": 40, "height": 30, "start_frame": 60, "end_frame": 100}


@dataclass
class House:
    """One process that masks, and its door."""

    container: Container
    asset_id: str

    def mark(self, marks: Marks) -> Any:
        """What a person sends; the answer."""
        app, body = create_app(self.container), {"regions": marks}
        return ask(app, f"/api/videos/{self.asset_id}/regions/", method="PUT", json=body)

    def work(self) -> None:
        with embedded(self.container) as services:
            while not services.is_idle():
                services.check()
                services.pause(0.05)

    def delivered(self, folder: Path) -> Any:
        """The frames of what lies at the destination, and that the receipt is of these marks."""
        asset = self.container.catalogue.asset(self.asset_id)
        assert asset.state is AssetState.DELIVERED, asset.reason
        (published,) = self.container.catalogue.artefacts(self.asset_id, asset.policy.digest, ArtefactKind.PUBLISHED)
        receipt = ask(create_app(self.container), f"/api/videos/{self.asset_id}/receipt/").text
        assert asset.policy.digest in receipt
        assert published.sha256 in receipt
        with self.container.destination_blobs.open(published.name) as blob:
            (folder / "delivered.mp4").write_bytes(blob.read())
        return decoded(folder / "delivered.mp4")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_clip(tmp_path_factory.mktemp("clip") / "film.mp4")


@pytest.fixture(scope="module")
def house(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A video that was delivered without any mark."""
    folder = tmp_path_factory.mktemp("house")
    (folder / "policies").mkdir()
    (folder / "policies" / "marks.toml").write_text(PLAIN)
    settings = Settings(
        state_dir=folder / "state",
        destination=folder / "out",
        policies_dir=folder / "policies",
        ingest=IngestSettings(stable_seconds=0),
        work=WorkSettings(sweep_seconds=0.2),
        frames=FrameSettings(default_level="marks"),
    )
    container = bootstrap(settings)
    with container.resources:
        office = KeyOffice(container.access, container.clock)
        office.issue(label="tests", roles=[Role.ADMIN], scopes=None, days=1, actor="test", text=ADMIN_KEY)
        policy = container.policies.get("marks")
        container.policies.remember(policy)
        with embedded(container) as services:
            found = scan(container, clip, policy)
            while not services.is_idle():
                services.check()
                services.pause(0.05)
        (asset_id,) = found.asset_ids
        yield House(container, asset_id)


def where(mark: dict[str, int], *, collar: int = 0) -> tuple[slice, slice]:
    """Rows and columns of a mark within the picture."""
    x, y = mark["x"], mark["y"]
    rows = slice(max(0, y - collar), min(HEIGHT, y + mark["height"] + collar))
    return rows, slice(max(0, x - collar), min(WIDTH, x + mark["width"] + collar))


def is_on(mark: dict[str, int], frame: int) -> bool:
    return mark.get("start_frame", 0) <= frame < mark.get("end_frame", FRAMES)


def wrong_frames(shown: Any, source: Any, marks: Marks) -> list[str]:
    """Every frame on which a mark is not wholly painted, or something is changed that no mark of its time covers."""
    wrong = []
    for frame in range(FRAMES):
        on = [mark for mark in marks if is_on(mark, frame)]
        open_to_sight = np.ones((HEIGHT, WIDTH), bool)
        for mark in on:
            if shown[frame][where(mark)].max() > DARK:
                wrong.append(f"frame {frame}: {mark} can be seen")
            open_to_sight[where(mark, collar=COLLAR)] = False
        change = np.abs(shown[frame].astype(int) - source[frame].astype(int))[open_to_sight]
        if change.max() > 2 * CLEAR or change.mean() > 1:
            wrong.append(f"frame {frame}: changed outside by {change.max()}")
    return wrong


@pytest.mark.parametrize(
    "marks",
    [[FIRST, ONE_FRAME, TO_THE_END, PAST_THE_END], [FIRST, OVERLAPPING, WHOLE_TIME]],
    ids=["apart", "overlapping"],
)
def test_marks_are_painted_on_every_frame_of_their_time_and_nowhere_else(
    marks: Marks, house: House, clip: Path, tmp_path: Path
) -> None:
    """V-03: [start, end) in presentation order, B-frames and a variable rate; every other pixel is the source's."""
    assert house.mark(marks).status_code == 200
    house.work()
    shown, source = house.delivered(tmp_path), decoded(clip)
    assert len(shown) == len(source) == FRAMES
    assert [number_on(np.dstack([one] * 3)) for one in shown] == list(range(FRAMES))
    assert wrong_frames(shown, source, marks) == []
    assert wrong_frames(source, source, marks) != []  # the check sees a mark that is not painted


def test_marks_that_are_taken_back_are_gone_and_told(house: House, clip: Path, tmp_path: Path) -> None:
    """H-02: the list says what holds; an empty one masks the video anew without any."""
    assert house.mark([WHOLE_TIME]).status_code == 200
    told = ask(create_app(house.container), f"/api/videos/{house.asset_id}/regions/").json()["regions"]
    assert [(one["x"], one["y"], one["end_frame"]) for one in told] == [(130, 4, None)]
    assert house.mark([]).status_code == 409  # on its way
    house.work()
    report = json.loads(ask(create_app(house.container), f"/api/videos/{house.asset_id}/report/").text)
    assert report["frames"] == report["masked_frames"] == FRAMES
    assert house.mark([]).status_code == 200
    house.work()
    assert wrong_frames(house.delivered(tmp_path), decoded(clip), []) == []


def test_a_mark_that_no_picture_contains_is_refused(house: House) -> None:
    """V-16: nobody believes something hidden that is not there: outside the picture, or after the last frame."""
    for mark in (
        {"x": WIDTH, "y": 0, "width": 8, "height": 8},
        {"x": 0, "y": HEIGHT, "width": 8, "height": 8},
        {"x": 0, "y": 0, "width": 8, "height": 8, "start_frame": FRAMES},
    ):
        answer = house.mark([mark])
        assert answer.status_code == 422, mark
        assert answer.json()["reason"] == "mark_outside"
    assert house.container.catalogue.asset(house.asset_id).state is AssetState.DELIVERED
