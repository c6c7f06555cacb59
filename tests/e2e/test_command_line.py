"""C-01, C-02: the command line from outside: help, codes, one owner, serve and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "opendrape.cli"]


def opendrape(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120
    )


def test_without_arguments_it_helps(tmp_path: Path) -> None:
    """C-01."""
    said = opendrape("--help", folder=tmp_path)
    assert said.returncode == 0
    for name in ("run", "mask", "serve", "doctor", "models", "policy", "receipts", "keys", "keymap", "audit"):
        assert re.search(rf"\b{name}\b", said.stdout), name


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run"], 2),
        (["run", "nowhere", "--output", "out"], 2),
        (["nonsense"], 2),
        (["policy", "explain", "nonsense"], 3),
        (["keymap", "reveal", "ar-x", "--reason", "audit"], 3),
        (["keys", "rotate", "--preview"], 3),
        (["keys", "api", "create", "pacs", "--role", "user"], 3),
        (["audit", "verify"], 3),
        (["receipts", "verify", "."], 1),
    ],
)
def test_each_kind_of_trouble_has_its_code_and_makes_nothing(arguments: list[str], code: int, tmp_path: Path) -> None:
    """C-02: documented exit codes; an admin act without a map makes no map; no traceback for a person."""
    done = opendrape(*arguments, folder=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_policy_that_no_model_can_keep_refuses_to_start_and_says_what_is_missing(tmp_path: Path) -> None:
    """V-01: a policy keeps all of its promises or does not start; nothing was fetched, made or read for it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "own").mkdir()
    promise = 'name = "own"\nsummary = "s"\nrequire_roles = ["out-of-body"]\n'
    (tmp_path / "own" / "own.toml").write_text(promise)
    settings = {"OPENDRAPE_POLICIES_DIR": str(tmp_path / "own")}
    done = opendrape("run", "in", "--output", "out", "--policy", "own", folder=tmp_path, **settings)
    assert done.returncode == 3
    assert "promises out-of-body" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "own"]


def test_a_bad_setting_is_named_without_its_value(tmp_path: Path) -> None:
    """C-02: the variable, not what was in it."""
    done = opendrape("doctor", folder=tmp_path, OPENDRAPE_WORK__LEASE_SECONDS="Jane Doe")
    assert done.returncode == 3
    assert "OPENDRAPE_WORK__LEASE_SECONDS" in done.stderr
    assert "Jane Doe" not in done.stderr


def test_an_empty_folder_under_minimal_needs_no_model(tmp_path: Path) -> None:
    """V-01, C-02: minimal runs anywhere; --json is one document and names no source."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Jane Doe.txt").write_text("words")
    done = opendrape("run", "in", "--output", "out", "--policy", "minimal", "--json", folder=tmp_path)
    result = json.loads(done.stdout)
    assert done.returncode == result["exit_code"] == 1
    assert result["files"]["counts"] == {"unsupported": 1}
    assert "Jane" not in done.stdout + done.stderr
    assert done.stderr.count("NOTICE") == 3, "three new keys are told, also to a machine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_listens_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """C-02, O-01: everything in one process, healthy, until Ctrl-C or SIGTERM; then 130 and a free state folder."""
    command = [*COMMAND, "serve", "--policy", "minimal", "--port", "0", "--output", "out", "--state-dir", "state"]
    environment = os.environ | {"OPENDRAPE_LOG__STYLE": "json"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = next(found[1] for line in server.stderr if (found := re.search(r"(http://\S+)/health", line)))
        with urllib.request.urlopen(f"{address}/health/ready", timeout=20) as answer:
            assert answer.status == 200
        server.send_signal(number)
        rest = server.stderr.read()
        assert server.wait(60) == 130, rest
    assert "Traceback" not in rest
    again = opendrape("run", ".", "--output", "out", "--policy", "minimal", "--state-dir", "state", folder=tmp_path)
    assert "another opendrape process" not in again.stderr
