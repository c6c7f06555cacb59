"""V-12, O-03: kill -9 while frames are exported: the next worker ends it, and no half ZIP is ever to be had."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from opendrape.bootstrap import Container, bootstrap
from opendrape.domain.frames import OPEN, ChosenSegment, FrameRequest, FrameState, NewFrames
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import IllegalTransition
from opendrape.ledger.frame_service import FrameService
from opendrape_masker.composition import build_masker
from tests.fakes.killing import kill_points, killed_at
from tests.integration.frames.numbered import delivered, number_on, numbered_clip, opened

pytestmark = pytest.mark.timeout(240)
SPAN = FrameSpan(47, 54)
HANDLING = ("opendrape_masker.frames.handling",)
"""Where most of the time is spent: the export child's messages are heard here."""
STORING = ("opendrape.adapters.local_blobs",)
SETTLING = ("opendrape.ledger.worker", "opendrape.adapters.sql.progression", "opendrape.adapters.sql.frame_work")
POINTS = 3


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, str]]:
    clip = numbered_clip(tmp_path_factory.mktemp("clip") / "film.mp4")
    with delivered(tmp_path_factory.mktemp("house"), clip) as ready:
        yield ready


def asked(video: tuple[Container, str]) -> str:
    container, asset_id = video
    policy = container.policies.get("corner").reference
    new = NewFrames(str(uuid4()), "test", asset_id, policy, "png", (ChosenSegment(1, SPAN),))
    return container.frames.start(new, limit=5, actor="test").request_id


def work_once(container: Container) -> None:
    """What a process does that is started for it: settings, parts, one item."""
    mine = bootstrap(container.settings)
    with mine.resources:
        (worker,) = build_masker(mine)
        assert worker.run_once()


def next_process(container: Container) -> None:
    """Takes over what the dead one held, as a start does, and works until nothing is due."""
    container.catalogue.reclaim()
    (worker,) = build_masker(container)
    while worker.run_once():
        pass


def archives(container: Container, request_id: str) -> list[Path]:
    """Every ZIP of the request that a reader of the store can see; each is whole, or this fails."""
    names = [entry.name for entry in container.work_blobs.list("frames/") if request_id in entry.name]
    for name in names:
        with container.work_blobs.open(name) as blob:
            content = blob.read()
        assert Path(name).stem.endswith(hashlib.sha256(content).hexdigest()[:16])
        opened(content)
    return [Path(name) for name in names]


def assert_whole_or_nothing(container: Container, request: FrameRequest) -> None:
    """Nothing but a finished request leads to bytes, and visible bytes are whole."""
    archives(container, request.request_id)
    if request.state is FrameState.COMPLETED:
        assert_right(container, request)
        return
    with pytest.raises(IllegalTransition) as refused:
        FrameService(container).new_token(request, actor="test")
    assert refused.value.reason == "result_not_ready"


def assert_right(container: Container, request: FrameRequest) -> None:
    assert request.state is FrameState.COMPLETED, request.reason
    assert request.archive is not None
    assert [path.as_posix() for path in archives(container, request.request_id)] == [request.archive.name]
    with container.work_blobs.open(request.archive.name) as blob:
        content = blob.read()
    assert hashlib.sha256(content).hexdigest() == request.archive.sha256
    _, pictures = opened(content)
    assert sorted(map(number_on, pictures.values())) == list(SPAN)


@pytest.mark.parametrize("modules", [HANDLING, STORING, SETTLING], ids=["handling", "storing", "settling"])
def test_a_killed_export_is_ended_by_the_next_process(modules: tuple[str, ...], video: tuple[Container, str]) -> None:
    """V-12: seeded points, in the work itself, while the ZIP is stored, and around the rows that make it known."""
    container, _ = video
    asked(video)
    killed = 0
    for line in kill_points(lambda: work_once(container), modules, at_most=POINTS, seed=20261127):
        request_id = asked(video)
        killed += killed_at(lambda: work_once(container), modules, line)
        assert_whole_or_nothing(container, container.frames.request(request_id))
        next_process(container)
        assert_right(container, container.frames.request(request_id))
    assert killed >= POINTS - 1, "the kills came too late to prove anything"


def test_an_export_that_kills_every_process_fails_in_the_end(video: tuple[Container, str]) -> None:
    """V-12, O-03: attempts are counted before the work; then it is failed, with a reason and without a ZIP."""
    container, _ = video
    request_id = asked(video)
    most, deaths = container.settings.work.max_attempts, 0
    while container.frames.request(request_id).state in OPEN:
        deaths += killed_at(lambda: work_once(container), HANDLING, 20)
        assert deaths <= most
        container.catalogue.reclaim()
    request = container.frames.request(request_id)
    assert (request.state, request.archive) == (FrameState.FAILED, None)
    assert request.reason
    assert archives(container, request_id) == []
    assert_whole_or_nothing(container, request)
    again = asked(video)
    next_process(container)
    assert_right(container, container.frames.request(again))


def test_half_a_zip_is_no_zip() -> None:
    """V-12: the proof above finds what it looks for."""
    with pytest.raises((zipfile.BadZipFile, AssertionError)):
        opened(b"PK\x03\x04" + bytes(100))
