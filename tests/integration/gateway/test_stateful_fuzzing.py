"""H-08: schemathesis on a real, signed-in gateway: each check it has, every operation, and chains of them by links."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape_gateway.composition import create_app
from tests.fakes.door import serving, whole_container
from tests.fakes.gateway import three_videos
from tests.fakes.issuer import AUDIENCE, running_issuer

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATION = Path(__file__).with_name("stateful.toml")
LEAST_ALONE, LEAST_CHAINED = 2000, 5000
SEED, ROUNDS = 20261127, 12
_MUCH = 10**6


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Address and an administrator's token (which no operation can revoke) of a gateway with three videos."""
    with running_issuer() as issuer, _container(tmp_path, issuer.address) as container:
        three_videos(container)
        app = create_app(container)
        app.openapi()  # takes seconds the first time
        with serving(app) as url:
            app.state.stopping = threading.Event()  # in place of the server's, which put its own there
            app.state.stopping.set()  # event streams end at once: nobody waits for what else may happen
            yield url, issuer.token(roles=["admin"], exp=int(time.time()) + 7200)


def _container(folder: Path, issuer: str) -> Any:
    return whole_container(
        folder,
        oidc={"issuer": issuer, "audience": AUDIENCE},
        access={"failed_sign_ins_per_minute": _MUCH, "metrics": "signed_in"},
        door={"burst_requests": _MUCH, "requests_per_second": _MUCH},
        uploads={"reserve_bytes": 0, "max_bytes": _MUCH, "open_per_user": _MUCH},
        webhooks={"per_user": _MUCH},
    )


def schemathesis(
    gateway: tuple[str, str], folder: Path, *, phases: str, examples: int, seed: int = SEED
) -> tuple[int, int]:
    """Run it; returns how many cases it made and how many links between operations it followed."""
    url, token = gateway
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "--no-color"]
    command += ["run", f"{url}/api/openapi.json", "--header", f"Authorization: Bearer {token}", "--checks", "all"]
    command += ["--phases", phases, "--max-examples", str(examples), "--seed", str(seed)]
    command += ["--generation-database", "none", "--warnings", "off"]
    command += ["--report", "ndjson", "--report-ndjson-path", str(folder / "report.ndjson")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=3300)
    said = done.stdout + done.stderr
    print(said[-4000:])
    assert done.returncode == 0, said[-12000:]
    (made,) = re.findall(r"^ +(\d+) generated, \d+ passed", said, re.MULTILINE)
    links = re.findall(r"API Links: +(\d+) covered", said)
    return int(made), int(links[0]) if links else 0


def test_chains_of_requests_are_answered_as_described(gateway: tuple[str, str], tmp_path: Path) -> None:
    """H-08: what one answer names is asked for in the next request; all checks."""
    made, links = schemathesis(gateway, tmp_path, phases="stateful", examples=8)
    assert made > 20
    assert links > 2


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_thousands_of_requests_pass_each_check(gateway: tuple[str, str], tmp_path: Path) -> None:
    """H-08: boundary values, random requests and chains: no fault, no undocumented status, problems as errors.

    Most of the time goes into making random bodies, so most of the cases are chains, which are made in no time.
    """
    alone, _ = schemathesis(gateway, tmp_path, phases="coverage,fuzzing", examples=30)
    assert alone >= LEAST_ALONE
    chained, most_links = 0, 0
    for number in range(ROUNDS):
        made, links = schemathesis(gateway, tmp_path, phases="stateful", examples=100, seed=SEED + number)
        chained, most_links = chained + made, max(most_links, links)
        if chained >= LEAST_CHAINED:
            break
    assert chained >= LEAST_CHAINED
    assert most_links > 20
