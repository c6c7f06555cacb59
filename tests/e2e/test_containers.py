"""D-01, I-01: a whole journey without a folder: original, intermediate results and output all lie in containers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.cli.asset_outcome import outcome_of
from opendrape.cli.configuration import load_settings
from opendrape.cli.main import run_command
from opendrape.embedded import embedded
from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import Bench, write_policy
from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import container_behind

pytestmark = pytest.mark.models


def test_a_video_in_a_container_is_masked_and_delivered_into_another(
    azurite: Azurite, container_name: str, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-01, D-02, I-01: the real engine in its real children, reading ranges; verified at the destination."""
    make_sample(tmp_path / "in", SampleRequest(seconds=Fraction(2), width=480, height=270, key_interval=30))
    (original,) = (tmp_path / "in").glob("*.mp4")
    bench = Bench(tmp_path / "state", tmp_path / "never", models_dir, write_policy(tmp_path / "policies"))
    bench.prepare()
    for name, value in bench.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENDRAPE_DESTINATION", str(bench.output))
    monkeypatch.setenv("OPENDRAPE_BLOBS__CONNECTION_STRING", azurite.connection_string())
    for use in ("SOURCE", "WORK", "DESTINATION"):
        monkeypatch.setenv(f"OPENDRAPE_BLOBS__{use}_CONTAINER", f"{use.lower()}-{container_name}")
    with container_behind(azurite, f"source-{container_name}") as source:
        source.create_container()
        source.upload_blob("OR 3/Anna Andersen.mp4", original.read_bytes())
    assert run_command(["blobs", "register", "OR 3/Anna", "--policy", "quick"]) == 0

    container = bootstrap(load_settings())
    with container.resources:
        with embedded(container) as services:
            while not services.is_idle():
                services.check()
                services.pause(0.05)
        (asset,) = container.catalogue.assets()
        outcome = outcome_of(container, asset.asset_id)
        assert outcome.delivered, outcome
        assert len(list(container.destination_blobs.list(f"{asset.asset_id}/"))) == 2
        left = [entry.name for entry in container.work_blobs.list() if entry.name.startswith(("chunks/", "masked/"))]
        assert left == [], "chunks and masked file stayed after delivery"
    assert run_command(["blobs", "verify"]) == 0
    assert not bench.output.exists()
    assert not (bench.state / "work").exists()
    assert list((bench.state / "scratch" / "blobs").iterdir()) == []
