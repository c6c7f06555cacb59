"""How does a storm run: videos arrive while faults strike; the same seed strikes in the same order."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import Bench
from tests.nemesis.clients import Arrivals
from tests.nemesis.faults import Fault, Nemesis, plan

SEED = int(os.environ["OPENDRAPE_STORM_SEED"])
"""Of the whole run, from ``OPENDRAPE_TEST_SEED`` where it is set; its header and every storm print it."""


def make_videos(folder: Path, count: int) -> list[Path]:
    """Small sample operations with faces, text, sound and tags, one folder each."""
    made = []
    for number in range(count):
        place = folder / f"{number}"
        make_sample(place, SampleRequest(seconds=Fraction(2), width=320, height=180, seed=number + 1, key_interval=15))
        made += sorted(place.glob("*.mp4"))
    return made


def make_copy(video: Path, folder: Path, number: int) -> Path:
    """The same pictures as another content: an empty box with ``number`` stands at the end, which nobody reads."""
    folder.mkdir(parents=True)
    copy = folder / video.name
    copy.write_bytes(video.read_bytes() + struct.pack("!I4sI", 12, b"free", number))
    return copy


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def storm(arrivals: Arrivals, faults: Sequence[Fault], *, seconds: float, seed: int) -> Nemesis:
    """Let videos arrive and faults strike; afterwards every video has arrived and nothing is broken any more."""
    stop, nemesis = threading.Event(), Nemesis(plan(faults, seed))
    clients = threading.Thread(target=arrivals.run, args=(stop,), daemon=True)
    clients.start()
    try:
        nemesis.rage(seconds)
        clients.join(120)
        assert not clients.is_alive(), "videos could not be registered"
    finally:
        stop.set()
    return nemesis


def undisturbed(folder: Path, models: Path, policies: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """SHA-256 of each output of a calm run in one process, by the source's, as its receipts say."""
    monkeypatch.setenv("OPENDRAPE_MASKER__THREADS", "1")  # as the fleet's: an encoder's threads show in its bytes
    calm = Bench(folder / "calm", folder / "calm-out", models, policies)
    code, result = calm.run(folder / "source", seconds=900)
    assert code == 0, result
    receipts = [json.loads(path.read_text())["receipt"] for path in calm.output.rglob("*.receipt.json")]
    return {receipt["input"]["sha256"]: receipt["output"]["sha256"] for receipt in receipts}
