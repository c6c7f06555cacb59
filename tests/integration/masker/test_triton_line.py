"""V-17, O-01: does a child without network mask through a real Triton exactly as with its own models, or not at all?"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape.domain.policy import Policy
from opendrape.domain.states import WorkState
from opendrape.errors import Disposition, InferenceFailed
from opendrape.settings import Settings, TritonSettings
from opendrape_masker.inference.targets import Target
from opendrape_masker.models_sync import sync
from opendrape_masker.single import mask_file
from tests.integration.masker.ledger_bench import LedgerBench
from tests.integration.masker.test_real_children import READS, assert_nothing_left, settings_with
from tests.integration.masker.workbench import Clip
from tests.models_fixture import ROOT
from tests.servers.triton import Triton, triton

pytestmark = [pytest.mark.models, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server over the real models, rendered from what is materialised already."""
    sync(ROOT / "model_repository", models_dir, roles=READS.roles, target=Target.TRITON_PYTHON)
    with triton(models_dir / "triton-python", tmp_path_factory.mktemp("server")) as started:
        yield started


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
    mask_file(clip.path, tmp_path / "here.mp4", policy=READS, settings=at_home)
    before = _answered(server)
    report = mask_file(
        clip.path, tmp_path / "there.mp4", policy=READS, settings=through(server, models_dir, tmp_path / "there")
    )
    assert _answered(server) > before
    assert report.detections["text"] > 0
    assert (tmp_path / "there.mp4").read_bytes() == (tmp_path / "here.mp4").read_bytes()


def _answered(server: Triton) -> float:
    lines = server.metrics().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("nv_inference_request_success"))
