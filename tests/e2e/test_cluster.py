"""O-01: by settings alone the services run over PostgreSQL, Service Bus, Azure Blob and Triton, with one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.blob_stores import open_destination
from opendrape.settings import Settings
from opendrape_uploader.receipts import verify
from tests.e2e.runs import write_policy
from tests.nemesis.storm import make_videos, sha256_of, undisturbed
from tests.servers.backends import Backends, backends
from tests.servers.fleet import Service, fleet
from tests.servers.process import ROOT
from tests.servers.prometheus import prometheus


@pytest.mark.timeout(600)
def test_the_cluster_delivers_what_one_machine_delivers(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-01, D-01, D-06, H-07: outputs lie in blob storage, byte-equal to the one-machine result, with true receipts;
    every service is well and scraped; nobody's name is in a log.
    """
    sources = make_videos(tmp_path / "source", 2)
    policies = write_policy(tmp_path / "policies")
    expected = undisturbed(tmp_path, models_dir, policies, monkeypatch)
    with backends(tmp_path / "servers", models_dir) as behind:
        environment = behind.environment | {"OPENDRAPE_POLICIES_DIR": str(policies)}
        with fleet(tmp_path, environment, maskers=2) as services:
            result = _run(tmp_path, environment)
            assert [asset["state"] for asset in result["assets"]] == ["delivered"] * len(sources), result
            assert _delivered(tmp_path, environment, monkeypatch) == {expected[sha256_of(video)] for video in sources}
            assert {name: service.health()[0] for name, service in services.items()} == dict.fromkeys(services, 200)
            _judge_figures(tmp_path, services)
            _judge_triton(behind)
        _judge_logs(tmp_path, sources)


def _run(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "opendrape.cli", "run", str(folder / "source"), "--cluster"]
    client = os.environ | environment | {"OPENDRAPE_STATE_DIR": str(folder / "client")}
    more = ["--policy", "quick", "--json", "--quiet"]
    done = subprocess.run([*command, *more], env=client, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def _delivered(folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """SHA-256 of every output in the container, each beside a receipt that verifies offline."""
    from contextlib import ExitStack

    for name, text in (environment | {"OPENDRAPE_STATE_DIR": str(folder / "client")}).items():
        monkeypatch.setenv(name, text)
    settings, place = Settings(), folder / "fetched"
    place.mkdir()
    with ExitStack() as opened:
        store = open_destination(settings, opened)
        for blob in store.list():
            with store.open(blob.name) as content:
                (place / Path(blob.name).name).write_bytes(content.read())
    receipts = sorted(place.glob("*.receipt.json"))
    key = settings.receipt_key_path.with_name("receipt.pem.pub")
    results = [verify(receipt, public_key=key) for receipt in receipts]
    assert receipts
    assert all(result.ok and result.output_checked for result in results), results
    return {sha256_of(output) for output in place.glob("*.mp4")}


def _judge_figures(folder: Path, services: dict[str, Service]) -> None:
    jobs = {name: [f"127.0.0.1:{service.port}"] for name, service in services.items()}
    with prometheus(folder / "prometheus", jobs) as watcher:
        watcher.wait_until_scraped()
        done = watcher.wait_for("sum by (kind) (opendrape_work_items_total{outcome='done'})")
        assert {dict(labels)["kind"] for labels in done} == {"plan", "mask", "assemble", "deliver"}


def _judge_triton(behind: Backends) -> None:
    if behind.triton is None:
        pytest.skip(behind.absent["Triton"])
    counted = [line for line in behind.triton.metrics().splitlines() if line.startswith("nv_inference_count{")]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) > 0, "no model of Triton was ever asked"


def _judge_logs(folder: Path, sources: list[Path]) -> None:
    names = {
        part for video in sources for part in video.stem.replace("{", " ").replace("#", " ").split() if len(part) > 5
    }
    assert names
    for log in folder.rglob("log.txt"):
        text = log.read_text(errors="replace")
        assert not [name for name in names if name in text], log
