"""O-03, V-16: a Triton that is away is waited out; one that a picture kills costs an attempt each time, and an end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.domain.policy import Role
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import ArtefactKind, WorkKind
from opendrape.errors import InferenceFailed
from opendrape.settings import Settings, TritonSettings
from opendrape_masker.inference.line import inference_line
from opendrape_masker.inference.targets import Target
from opendrape_masker.models_sync import sync
from tests.fakes.catalogue import RETRY
from tests.integration.masker.ledger_bench import ASSET, LedgerBench
from tests.integration.masker.test_real_children import settings_with
from tests.integration.masker.workbench import AGAIN, POLICY, Clip
from tests.models_fixture import ROOT
from tests.servers.dying_triton import DyingTriton
from tests.servers.triton import Triton

pytestmark = pytest.mark.timeout(90)
FACES = POLICY.model_copy(update={"residual": (AGAIN,), "chunk_seconds": Fraction(3)})
LONG_AWAY = 5 * RETRY.max_attempts


@pytest.fixture
def dying() -> Iterator[DyingTriton]:
    server = DyingTriton((ROOT / "model_repository",))
    yield server
    server.stop()


def bench_on(url: str, clip: Clip, place: Path, stack: ExitStack, *, deadline_seconds: float = 20.0) -> LedgerBench:
    """One chunk to mask, by real children that ask the server."""
    bench = LedgerBench(clip, place / "bench", FACES)
    stack.callback(bench.catalogue.close)
    (place / "none").mkdir()
    chosen = TritonSettings(urls=url, deadline_seconds=deadline_seconds)
    bench.settings = settings_with(place / "none", place).model_copy(update={"triton": chosen})
    return bench


def attempt(bench: LedgerBench) -> tuple[WorkState, str | None, int]:
    """Once more, when it is due: state, reason and attempts afterwards."""
    bench.work(1)
    bench.clock.advance(RETRY.longest_delay_seconds)
    item = bench.item(WorkKind.MASK)
    return item.state, item.reason, item.attempts


@pytest.mark.models
def test_a_server_that_is_dead_at_the_start_is_waited_for_however_long(
    clip: Clip, models_dir: Path, tmp_path: Path
) -> None:
    """O-03: minutes of outage leave every attempt unspent, and nothing stored; then the chunk is masked."""
    sync(ROOT / "model_repository", models_dir, roles={Role.FACE}, target=Target.TRITON_PYTHON)
    server = Triton.over(models_dir / "triton-python", tmp_path / "server")
    with ExitStack() as stack:
        stack.callback(server.stop)
        bench = bench_on(server.url, clip, tmp_path, stack)
        for _ in range(LONG_AWAY):
            assert attempt(bench) == (WorkState.QUEUED, "inference_away", 0)
        assert bench.artefacts(ArtefactKind.CHUNK) == []
        bench.assert_quiet()
        server.start()
        assert attempt(bench) == (WorkState.DONE, None, 1)
        assert len(bench.artefacts(ArtefactKind.CHUNK)) == 1


@pytest.mark.models
def test_a_server_that_is_frozen_before_the_first_picture_is_waited_for(
    clip: Clip, models_dir: Path, tmp_path: Path
) -> None:
    """O-03: open ports and no answer; the deadline of one call ends each try."""
    sync(ROOT / "model_repository", models_dir, roles={Role.FACE}, target=Target.TRITON_PYTHON)
    server = Triton.over(models_dir / "triton-python", tmp_path / "server")
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        assert server.running is not None
        bench = bench_on(server.url, clip, tmp_path, stack, deadline_seconds=0.2)
        server.running.freeze()
        started = time.monotonic()
        for _ in range(RETRY.max_attempts + 1):
            assert attempt(bench) == (WorkState.QUEUED, "inference_away", 0)
        assert time.monotonic() - started < 15


def test_a_picture_that_kills_the_server_again_and_again_ends_its_video(
    dying: DyingTriton, clip: Clip, tmp_path: Path
) -> None:
    """V-16, O-04: each death in flight costs an attempt; while it is away afterwards, nothing; no loop for a day."""
    with ExitStack() as stack:
        bench = bench_on(dying.url, clip, tmp_path, stack)
        for number in range(1, RETRY.max_attempts):
            dying.start()
            assert attempt(bench) == (WorkState.QUEUED, "inference_unavailable", number)
            for _ in range(3):  # away: the question whether it is ready comes before the picture
                assert attempt(bench) == (WorkState.QUEUED, "inference_away", number)
            assert dying.deaths == number
        dying.start()
        assert attempt(bench) == (WorkState.FAILED, "inference_unavailable", RETRY.max_attempts)
        asset = bench.catalogue.asset(ASSET)
        assert (asset.state, asset.reason) == (AssetState.FAILED, "inference_unavailable")
        assert bench.artefacts(ArtefactKind.CHUNK) == []
        bench.assert_quiet()


@pytest.mark.parametrize("name", ["ipv4:{0},{1}", "{0},{1}"])
def test_of_several_replicas_the_last_one_makes_the_outage(name: str, dying: DyingTriton, tmp_path: Path) -> None:
    """R-03: one name for both pods, or one address each: one that answers is enough; with none nothing is sent."""
    other = DyingTriton((ROOT / "model_repository",))
    dying.start()
    other.start()
    try:
        settings = _settings(tmp_path, name.format(dying.url, other.url))
        for server in (dying, other):
            with inference_line(settings, {Role.FACE}) as remote:
                assert remote is not None
                assert remote.digests
            server.stop()
        assert _refusal(settings) == "inference_away"
    finally:
        other.stop()


def test_a_name_that_stands_for_no_pod_is_an_outage_until_it_does(dying: DyingTriton, tmp_path: Path) -> None:
    """R-03: the same name, first without and then with somebody behind it."""
    settings = _settings(tmp_path, f"dns:///localhost:{dying.port}")
    assert _refusal(settings) == "inference_away"
    dying.start()
    with inference_line(settings, {Role.FACE}) as remote:
        assert remote is not None


def _settings(state: Path, urls: str) -> Settings:
    return Settings(state_dir=state, triton=TritonSettings(urls=urls, deadline_seconds=5.0))


def _refusal(settings: Settings) -> str:
    with pytest.raises(InferenceFailed) as caught, inference_line(settings, {Role.FACE}):
        raise AssertionError("nobody was there to answer")
    return caught.value.reason
