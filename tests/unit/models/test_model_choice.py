"""V-17, C-01: a machine that keeps a slower model because the better one was out of reach says so, and what to type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opendrape.domain.policy import Role
from opendrape_masker.model_choice import PassedOver, passed_over
from opendrape_masker.models_sync import sync
from tests.fakes.tiny_models import add_model, graph_without_numbers, plain_graph

CONTENT = plain_graph()
OTHER = graph_without_numbers()
FACE = frozenset({Role.FACE})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two models for faces."""
    folder = tmp_path / "repository"
    add_model(folder, "fast", CONTENT, preference=1)
    add_model(folder, "slow", OTHER, preference=2)
    return folder


def mirror(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / f"mirror-{'-'.join(names)}"
    folder.mkdir()
    for name in names:
        (folder / f"{name}.onnx").write_bytes({"fast": CONTENT, "slow": OTHER}[name])
    return folder


def found(repository: Path, tmp_path: Path) -> list[PassedOver]:
    return list(passed_over(repository, tmp_path / "models", FACE))


def test_the_preferred_model_that_is_not_here_is_named_with_the_one_that_serves(
    repository: Path, tmp_path: Path
) -> None:
    """C-01: it is also said that nobody gives a second opinion, and what to type."""
    sync(repository, tmp_path / "models", mirror=mirror(tmp_path, "slow"))
    (one,) = found(repository, tmp_path)
    assert (one.missing, one.serving, one.preferred) == (("fast",), ("slow",), True)
    assert "fast would be asked first and is not here; slow serves in its place" in one.sentence
    assert "its own second opinion" in one.sentence
    assert "`opendrape models sync`" in one.sentence


def test_a_missing_second_model_is_told_too(repository: Path, tmp_path: Path) -> None:
    """V-15: the second look is not independent without it."""
    sync(repository, tmp_path / "models", mirror=mirror(tmp_path, "fast"))
    (one,) = found(repository, tmp_path)
    assert (one.missing, one.preferred) == (("slow",), False)
    assert "its own second opinion" in one.sentence


def test_the_next_sync_that_reaches_it_ends_the_note(repository: Path, tmp_path: Path) -> None:
    """C-01: what doctor tells to type helps."""
    sync(repository, tmp_path / "models", mirror=mirror(tmp_path, "slow"))
    sync(repository, tmp_path / "models", mirror=mirror(tmp_path, "fast"))
    assert found(repository, tmp_path) == []


def test_a_role_without_any_model_is_not_a_stand_in(repository: Path, tmp_path: Path) -> None:
    """C-01: that is said elsewhere, and is worse."""
    (tmp_path / "models").mkdir()
    assert found(repository, tmp_path) == []


def opendrape(repository: Path, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    environment = os.environ | {
        "OPENDRAPE_STATE_DIR": str(tmp_path),
        "OPENDRAPE_MODELS__REPOSITORY": str(repository),
        "OPENDRAPE_MODELS_MIRROR": str(tmp_path / "mirror-slow"),
    }
    command = [sys.executable, "-m", "opendrape.cli", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_doctor_and_sync_say_it_in_the_same_words(repository: Path, tmp_path: Path) -> None:
    """C-01: after a sync that reached only the slower model."""
    mirror(tmp_path, "slow")
    (synced,) = opendrape(repository, tmp_path, "models", "sync")["passed_over"]
    assert (synced["missing"], synced["serving"]) == (["fast"], ["slow"])
    findings = opendrape(repository, tmp_path, "doctor")["findings"]
    (finding,) = [one for one in findings if one["check"] == "models for face"]
    assert finding["state"] == "note"
    assert "slow serves in its place" in finding["text"]
    assert opendrape(repository, tmp_path, "models", "sync", "--dry-run")["passed_over"] == [synced]
