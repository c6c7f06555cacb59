"""V-17, O-01: does a child without network mask through a real Triton exactly as with its own models, or not at all?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from opendrape.cli.configuration import missing_roles
from opendrape.cli.main import app_for
from opendrape.cli.models import prepare_models
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Role
from opendrape.domain.states import WorkState
from opendrape.domain.work import ArtefactKind, Lease, Outcome, WorkKind
from opendrape.errors import Disposition, InferenceFailed, ModelMissing
from opendrape.ledger.worker import Progress
from opendrape.settings import Settings, TritonSettings
from opendrape_masker.handlers import MaskHandler
from opendrape_masker.health import masker_checks
from opendrape_masker.inference.repository import read_repository
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.inference.targets import Target
from opendrape_masker.inference.triton_session import TritonSession
from opendrape_masker.models_sync import sync
from opendrape_masker.single import mask_file
from tests.integration.masker.ledger_bench import LedgerBench
from tests.integration.masker.test_real_children import READS, assert_nothing_left, settings_with
from tests.integration.masker.workbench import Clip
from tests.models_fixture import ROOT
from tests.servers.process import free_port
from tests.servers.triton import Triton, triton

pytestmark = [pytest.mark.models, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server over the real models, rendered from what is materialised already."""
    sync(
        ROOT / "model_repository", models_dir, roles={*READS.roles, Role.TEXT_RECOGNITION}, target=Target.TRITON_PYTHON
    )
    with triton(models_dir / "triton-python", tmp_path_factory.mktemp("server")) as started:
        yield started


# one child, few looks at text: it takes most of the time
BRIEF = READS.model_copy(
    update={
        "detect": tuple(rule.model_copy(update={"max_gap_seconds": Fraction(1)}) for rule in READS.detect),
        "chunk_seconds": Fraction(3),
    }
)


def through(server: Triton, models: Path, place: Path, *, deadline_seconds: float = 20.0) -> Settings:
    """Settings whose children ask the server; no model lies where they could load it."""
    place.mkdir()
    (place / "none").mkdir()
    chosen = TritonSettings(urls=server.url, deadline_seconds=deadline_seconds)
    return settings_with(place / "none", place).model_copy(update={"triton": chosen})


def test_a_clip_masked_through_triton_is_the_same_to_the_byte(
    server: Triton, clip: Clip, models_dir: Path, tmp_path: Path
) -> None:
    """V-17: where the models run changes nothing; the child that asks has no socket."""
    (tmp_path / "here").mkdir()
    at_home = settings_with(models_dir, tmp_path / "here")
    mask_file(clip.path, tmp_path / "here.mp4", policy=BRIEF, settings=at_home)
    before = _answered(server)
    report = mask_file(
        clip.path, tmp_path / "there.mp4", policy=BRIEF, settings=through(server, models_dir, tmp_path / "there")
    )
    assert _answered(server) > before
    assert report.detections["text"] > 0
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


def test_real_models_answer_as_they_do_in_this_process(server: Triton, models_dir: Path) -> None:
    """V-17: every tensor of every model of the server, on noise at two sizes, within a ten-thousandth."""
    here = OnnxRuntimeSession(models_dir, 1, 60.0)
    there = TritonSession(ROOT / "model_repository", [server.url], in_flight=2, deadline_seconds=60.0)
    noise = np.random.default_rng(3)
    compared = set()
    try:
        for folder in read_repository(ROOT / "model_repository"):
            if there.source_digest(folder.name) is None:
                continue
            assert there.source_digest(folder.name) == here.source_digest(folder.name)
            for pictures, height, width in ((1, 96, 160), (folder.lock.max_batch + 1, 64, 128)):
                shape = (pictures, folder.lock.input.fixed_height or height, width, 3)
                batch = noise.integers(0, 256, shape, dtype=np.uint8)
                # asked one by one at home: batches must not mix, nor may a batch that is sent in parts
                single = [here.infer(folder.name, batch[n : n + 1]) for n in range(pictures)]
                for name, tensor in there.infer(folder.name, batch).items():
                    np.testing.assert_allclose(tensor, np.concatenate([one[name] for one in single]), atol=1e-4)
            compared.add(folder.name)
        if "text_ppocr_v6_rec_small" in compared:
            assert there.labels("text_ppocr_v6_rec_small") == here.labels("text_ppocr_v6_rec_small")
    finally:
        there.close()
    assert compared >= {"face_yunet_n", "face_centerface", "text_ppocr_v6_det_small"}


def test_health_doctor_and_the_start_of_a_run_ask_the_server(
    server: Triton, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-07, O-01, V-17: by settings alone; missing models are told before any work starts."""
    settings = through(server, models_dir, tmp_path / "there")
    masker_checks(settings)["triton"]()
    assert missing_roles(settings, READS) == ()
    plates = READS.model_copy(update={"detect": (READS.detect[0].model_copy(update={"role": Role.SCREEN}),)})
    assert missing_roles(settings, plates) == (Role.SCREEN,)
    with pytest.raises(ModelMissing, match="Triton server has no model for screen"):
        prepare_models(Terminal(), settings, plates)
    monkeypatch.setenv("OPENDRAPE_TRITON__URLS", server.url)
    assert "ready, with the pinned models" in _doctor(tmp_path)
    monkeypatch.setenv("OPENDRAPE_TRITON__URLS", f"127.0.0.1:{free_port()}")
    assert "does not answer" in _doctor(tmp_path)
    monkeypatch.setenv("OPENDRAPE_TRITON__URLS", "")
    assert "ONNX Runtime in each masking child" in _doctor(tmp_path)


def _doctor(state: Path) -> str:
    told = CliRunner().invoke(app_for(["doctor"]), ["doctor", "--json", "--state-dir", str(state)])
    findings = json.loads(told.stdout)["findings"]
    return " ".join(each["text"] for each in findings if "inference" in each["check"])


def test_without_a_server_there_is_nothing_to_ask(tmp_path: Path) -> None:
    """H-07: the models of a child are digested when it loads them."""
    assert masker_checks(Settings(state_dir=tmp_path)) == {}


def test_a_server_that_dies_in_the_middle_fails_the_attempt_and_the_next_one_succeeds(
    server: Triton, clip: Clip, models_dir: Path, tmp_path: Path
) -> None:
    """V-16, R-02: nothing of the broken attempt is stored; the item waits, and is done when the server is back."""
    bench = LedgerBench(clip, tmp_path / "bench")
    bench.settings = through(server, models_dir, tmp_path / "state")
    bench.handler = _KillsOnce(bench.handler, server)  # type: ignore[assignment]
    try:
        bench.work(1)
        item = bench.item(WorkKind.MASK)
        assert (item.state, item.reason) == (WorkState.QUEUED, "inference_unavailable")
        assert bench.artefacts(ArtefactKind.CHUNK) == []
        bench.assert_quiet()
        server.start()
        bench.clock.advance(60.0)
        bench.work(1)
        assert bench.open_states(WorkKind.MASK) == {WorkState.DONE, WorkState.QUEUED}
        assert len(bench.artefacts(ArtefactKind.CHUNK)) == 1
    finally:
        bench.catalogue.close()


class _KillsOnce:
    """The handler; when the first attempt has begun to look, the server is killed."""

    kinds = MaskHandler.kinds

    def __init__(self, handler: MaskHandler, server: Triton) -> None:
        self._handler, self._server, self._is_done = handler, server, False

    def handle(self, lease: Lease, progress: Progress) -> Outcome:
        def heard(share: float) -> None:
            if not self._is_done and _answered(self._server) > before:
                self._is_done = True
                assert self._server.running is not None
                self._server.running.kill()
            progress(share)

        before = _answered(self._server) if not self._is_done else 0.0
        return self._handler.handle(lease, heard)


def test_with_no_server_no_child_is_started_and_nothing_is_written(clip: Clip, tmp_path: Path) -> None:
    """V-16: a server that is away is a reason to try again, not to go on without looking."""
    settings, output = settings_with(tmp_path, tmp_path), tmp_path / "out.mp4"
    settings = settings.model_copy(update={"triton": TritonSettings(urls=f"127.0.0.1:{free_port()}")})
    with pytest.raises(InferenceFailed) as caught:
        mask_file(clip.path, output, policy=READS, settings=settings)
    assert caught.value.disposition is Disposition.RETRY
    assert_nothing_left(settings, output)


def test_a_level_without_models_asks_no_server(clip: Clip, tmp_path: Path) -> None:
    """V-01: minimal."""
    settings = settings_with(tmp_path, tmp_path)
    settings = settings.model_copy(update={"triton": TritonSettings(urls=f"127.0.0.1:{free_port()}")})
    minimal = READS.model_copy(update={"detect": (), "residual": ()})
    assert mask_file(clip.path, tmp_path / "out.mp4", policy=minimal, settings=settings).frames == 75


def _answered(server: Triton) -> float:
    lines = server.metrics().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("nv_inference_request_success"))
