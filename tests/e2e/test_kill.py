"""C-02, O-03: kill -9 at any moment; the next run finishes alike, nothing double, nothing half-visible."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.settings import Settings
from opendrape_masker.synthetic import SampleRequest, make_sample
from opendrape_uploader.receipts import verify
from tests.e2e.runs import Bench, write_policy

SEED = int(os.environ.get("OPENDRAPE_TEST_SEED", "20261121"))
CHAINS, KILLS = 3, 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small clips and one file that is no video."""
    folder = tmp_path_factory.mktemp("source")
    make_sample(folder, SampleRequest(seconds=Fraction(4), width=640, height=360, key_interval=30))
    make_sample(folder / "second", SampleRequest(seconds=Fraction(2), width=480, height=270, seed=2, key_interval=30))
    (folder / "notes.mp4").write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")
    return folder


def bench(folder: Path, models_dir: Path) -> Bench:
    return Bench(folder / "state", folder / "out", models_dir, write_policy(folder / "policies"))


def outputs(folder: Path) -> dict[str, str]:
    """Every visible output by its content; partial names would show up too."""
    return {str(p.relative_to(folder)): _sha256(p) for p in sorted(folder.rglob("*")) if p.suffix == ".mp4"}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(source: Path, models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], float]:
    """Digests of the outputs of a run that nobody disturbed, and how long it took."""
    calm = bench(tmp_path_factory.mktemp("calm"), models_dir)
    started = time.monotonic()
    code, result = calm.run(source)
    assert code == 1, "the playlist is refused, the rest is delivered"
    assert sorted(asset["state"] for asset in result["assets"]) == ["delivered", "delivered"], result
    return set(outputs(calm.output).values()), time.monotonic() - started


@pytest.mark.parametrize("chain", [0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, CHAINS))])
def test_killed_runs_go_on_to_the_same_result(
    chain: int, source: Path, models_dir: Path, undisturbed: tuple[set[str], float], tmp_path: Path
) -> None:
    """C-02, O-03: a chain of 10 seeded kills (three in the long form); only complete outputs are ever visible."""
    expected, calm_seconds = undisturbed
    chance = random.Random(SEED + chain)
    here = bench(tmp_path, models_dir)
    latest = calm_seconds
    interrupted = 0
    for _ in range(3 * KILLS):
        if here.run_and_kill(source, chance.uniform(0.05, latest)):
            interrupted += 1
        else:
            latest *= 0.7  # it was over before the kill: aim earlier
        assert set(outputs(here.output).values()) <= expected, "an output was visible that is not complete"
        if set(outputs(here.output).values()) == expected:
            _start_over(here)
        if interrupted == KILLS:
            break
    assert interrupted == KILLS, "the kills came too late to prove anything"
    code, result = here.run(source)
    assert code == 1, result
    assert [asset["state"] for asset in result["assets"]] == ["delivered", "delivered"], result
    seen = outputs(here.output)
    assert sorted(seen.values()) == sorted(expected), f"seed {SEED + chain}: not the same result, or double"
    for receipt in here.output.rglob("*.receipt.json"):
        key = Settings(state_dir=here.state).receipt_key_path.with_name("receipt.pem.pub")
        assert verify(receipt, public_key=key, output=None).ok
    assert len(list(here.output.rglob("*.receipt.json"))) == len(expected)


def _start_over(here: Bench) -> None:
    """Everything is delivered: begin anew, so that later kills hit something."""
    shutil.rmtree(here.output)
    shutil.rmtree(here.state)
