"""I-07: a dry run changes nothing anywhere and lists exactly what would be new."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from opendrape.adapters.policy_files import read_policy
from opendrape.bootstrap import opened_records
from opendrape.cli.main import run_command
from opendrape.settings import Settings, shipped
from opendrape.state_folder import sole_owner
from opendrape_ingest.scan import scan

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENDRAPE_INGEST__STABLE_SECONDS", "0")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "Dr Jane Doe"
    folder.mkdir()
    for name in ("one.mp4", "two.mp4"):
        (folder / name).write_bytes(MP4 + name.encode())
    (folder / "copy.mp4").write_bytes(MP4 + b"one.mp4")
    (folder / "photo.bmp").write_bytes(b"BM" + b"\0" * 64)
    return folder


def everything(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Every path below with kind and mode, size, modification time and content."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, content)
    return found


def dry_run(source: Path, tmp_path: Path, *more: str) -> int:
    state, out = str(tmp_path / "state"), str(tmp_path / "out")
    return run_command(["run", str(source), "--output", out, "--state-dir", state, "--dry-run", *more])


def test_a_first_dry_run_leaves_no_trace(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """I-07: no state folder, no key, no output folder; duplicates and what is not supported are told."""
    before = everything(tmp_path)
    assert dry_run(source, tmp_path) == 1, "a bitmap is not supported"
    assert everything(tmp_path) == before
    said = capsys.readouterr().out
    assert [line.split()[:2] for line in said.splitlines()] == [
        ["would", "mask"],
        ["duplicate", "one.mp4"],
        ["unsupported", "photo.bmp"],
        ["would", "mask"],
    ]


def test_a_dry_run_on_a_used_state_folder_knows_it_and_leaves_it_alone(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """I-07, I-04: known content is known; neither database nor their companions nor any time stamp change."""
    settings = Settings(state_dir=tmp_path / "state", destination=tmp_path / "out")
    policy = read_policy((shipped("policies"),), "faces")
    with opened_records(settings) as records:
        scan(_Parts(settings, records), source / "one.mp4", policy)
    with sole_owner(settings.state_dir):
        pass
    before = everything(tmp_path)
    dry_run(source, tmp_path, "--json")
    assert everything(tmp_path) == before
    counts = json.loads(capsys.readouterr().out)["files"]["counts"]
    assert counts == {"duplicate": 1, "known": 1, "new": 1, "unsupported": 1}


def test_a_dry_run_beside_a_running_process_is_refused(source: Path, tmp_path: Path) -> None:
    """I-07: a copy of a database that is being written could be torn, and would lie."""
    settings = Settings(state_dir=tmp_path / "state")
    with opened_records(settings), sole_owner(settings.state_dir):
        assert dry_run(source, tmp_path) == 3


@pytest.mark.parametrize("command", [["mask"], ["models", "sync"]])
def test_every_command_with_a_dry_run_changes_nothing(command: list[str], source: Path, tmp_path: Path) -> None:
    """I-07: on every command."""
    before = everything(tmp_path)
    arguments = [*command, "--dry-run", "--state-dir", str(tmp_path / "state")]
    if command == ["mask"]:
        arguments += [str(source / "one.mp4"), "--output", str(tmp_path / "new" / "masked.mp4")]
    assert run_command(arguments) == 0
    assert everything(tmp_path) == before


def test_looking_is_not_touching(source: Path, tmp_path: Path) -> None:
    """I-07: explain, list and doctor make no folder and no key."""
    before = everything(tmp_path)
    state = ["--state-dir", str(tmp_path / "state")]
    assert run_command(["policy", "explain", "faces", *state]) == 0
    assert run_command(["policy", "list"]) == 0
    assert run_command(["doctor", "--json", *state]) == 3, "no model is here"
    assert everything(tmp_path) == before


class _Parts:
    """What a scan takes, from records."""

    def __init__(self, settings: Settings, records: object) -> None:
        self.settings = settings
        self.clock, self.catalogue, self.key_map = records.clock, records.catalogue, records.key_map  # type: ignore[attr-defined]


def test_the_comparison_would_see_a_change(tmp_path: Path) -> None:
    """The test of the tests: a touched file and a new empty folder are seen."""
    (tmp_path / "a").write_text("a")
    before = everything(tmp_path)
    os.utime(tmp_path / "a", ns=(1, 1))
    touched = everything(tmp_path)
    (tmp_path / "b").mkdir()
    assert before != touched != everything(tmp_path)
