"""C-01: ``opendrape frames`` is source B's management command: same flags, same precedence, the same service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape.bootstrap import Container
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.frames_work import as_wish
from opendrape.cli.main import run_command
from opendrape.domain.frames import FrameState
from opendrape.domain.timeline import FrameSpan
from opendrape_masker.composition import build_masker
from tests.integration.frames.numbered import delivered, number_on, numbered_clip, opened

pytestmark = pytest.mark.timeout(180)
Run = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A state folder with one delivered video and three segments."""
    folder = tmp_path_factory.mktemp("house")
    with delivered(folder, numbered_clip(folder / "film.mp4", frames=40)) as (container, asset_id):
        for start in (0, 10, 20):
            container.segments.add(asset_id, label="x", span=FrameSpan(start, start + 3), actor="test")
        yield container


@pytest.fixture
def run(house: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    settings = house.settings
    monkeypatch.setenv("OPENDRAPE_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("OPENDRAPE_DESTINATION", str(settings.destination))
    monkeypatch.setenv("OPENDRAPE_POLICIES_DIR", str(settings.policies_dir))
    monkeypatch.setenv("OPENDRAPE_FRAMES__DEFAULT_LEVEL", "corner")
    monkeypatch.setenv("OPENDRAPE_WORK__KEEP_INTERMEDIATE", "true")

    def command(*arguments: str, words: str = "frames") -> tuple[int, Any]:
        as_json = "--json" in arguments
        code = run_command([*words.split(), *arguments])
        out = capsys.readouterr().out
        return code, json.loads(out) if as_json else out

    return command


def test_one_request_is_worked_off_and_saved(run: Run, tmp_path: Path) -> None:
    """C-01: without a server this process does the work; the video may be named by number."""
    wish = ("--video-id", "1", "--segment-ids", "1, 3", "--output-format", "png", "--anonymization-level", "corner")
    code, told = run(*wish, "--output", str(tmp_path / "frames.zip"), "--json")
    assert (code, told["status"]) == (ExitCode.DELIVERED, "completed")
    _, pictures = opened((tmp_path / "frames.zip").read_bytes())
    assert sorted(number_on(pixels) for pixels in pictures.values()) == [0, 1, 2, 20, 21, 22]
    code, again = run("--status", told["request_id"], "--output", str(tmp_path / "again.zip"), "--json")
    assert (code, again["processed_frames"]) == (ExitCode.DELIVERED, 6)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "frames.zip").read_bytes()


def test_asking_only_leaves_the_work_to_the_server(run: Run, house: Container) -> None:
    """C-01: --async."""
    code, told = run("--video-id", "1", "--segment-ids", "2", "--async", "--json")
    assert (code, told["status"]) == (ExitCode.DELIVERED, "pending")
    (worker,) = build_masker(house)
    assert worker.run_once()
    assert house.frames.request(told["request_id"]).state is FrameState.COMPLETED


def test_every_fault_is_told_with_a_failing_code(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """H-03, C-02."""
    assert (
        run_command(["frames", "--video-id", "999", "--segment-ids", "x", "--output-format", "gif"]) == ExitCode.FAILED
    )
    assert "Video not found; Invalid segments; Invalid output format" in capsys.readouterr().err


def test_a_batch_goes_on_after_a_bad_entry(run: Run, tmp_path: Path) -> None:
    """C-01: the predecessor's file: comma strings, and a list as well."""
    entries = [
        {"video_id": 1, "segment_ids": "1,2", "output_format": "jpg"},
        {"video_id": 999, "segment_ids": "1"},
        "nonsense",
        {"video_id": 1, "segment_ids": [3], "anonymization_level": "corner", "async": True},
    ]
    (tmp_path / "batch.json").write_text(json.dumps(entries))
    code, told = run("--batch-file", str(tmp_path / "batch.json"), "--json")
    assert (code, told["successful"], told["failed"]) == (ExitCode.FAILED, 2, 2)
    assert [one["success"] for one in told["entries"]] == [True, False, False, True]
    _, text = run("--list-requests")
    assert told["entries"][0]["request_id"] in text
    (tmp_path / "batch.json").write_text('{"video_id": 1}')
    assert run("--batch-file", str(tmp_path / "batch.json"))[0] == ExitCode.USAGE


def test_the_summary_of_a_batch_is_a_line_for_people(run: Run, tmp_path: Path) -> None:
    """C-01: "N successful, M failed"."""
    (tmp_path / "batch.json").write_text('[{"video_id": 2}]')
    assert "0 successful, 1 failed" in run("--batch-file", str(tmp_path / "batch.json"))[1]


def test_the_newest_twenty_are_listed_and_the_rest_counted(run: Run, house: Container) -> None:
    """C-01: "... and N more"."""
    for _ in range(21):
        _, told = run("--video-id", "1", "--segment-ids", "2,3", "--async", "--json")
        house.frames.cancel(told["request_id"], actor="test")
    count = house.frames.count()
    _, text = run("--list-requests")
    assert text.splitlines()[-1] == f"... and {count - 20} more"
    assert len(text.splitlines()) == 21


def test_statistics_are_of_all_or_of_one_video(run: Run, house: Container) -> None:
    """C-01."""
    _, told = run("--statistics", "--json")
    assert sum(told["by_state"].values()) == house.frames.count()
    assert run("--statistics", "--video-id", "1", "--json")[1]["by_state"] == told["by_state"]
    assert run("--statistics", "--video-id", "999")[0] == ExitCode.FAILED


@pytest.mark.parametrize("words", ["frames --cleanup-expired", "tokens cleanup"])
def test_clean_up_tells_what_went(run: Run, house: Container, words: str) -> None:
    """H-06: by either name."""
    house.work_blobs.put_bytes("frames/ar-x/00000000-0000-0000-0000-000000000000-0.zip", b"x")
    assert run("--json", words=words)[1]["orphans"] == 1
    assert run("--json", words=words)[1]["orphans"] == 0


def test_the_first_act_of_the_order_is_done(run: Run) -> None:
    """C-01: clean-up, statistics, status, list, batch, one; otherwise a hint."""
    everything = ("--statistics", "--list-requests", "--video-id", "1", "--segment-ids", "1", "--json")
    assert set(run("--cleanup-expired", *everything)[1]) == {"tokens", "results", "orphans"}
    assert "by_state" in run(*everything)[1]
    assert "requests" in run(*everything[1:])[1]
    assert run("--video-id", "1")[0] == ExitCode.USAGE


def test_an_empty_folder_stays_empty(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C-02: asking about nothing makes nothing."""
    assert run("--list-requests", "--state-dir", str(tmp_path / "none"))[0] == ExitCode.CONFIGURATION
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("given", "meant"),
    [("1,2, 3", [1, 2, 3]), ("", []), ("a,1", ["a", 1]), ([1], [1]), (None, None), ("1" * 30, ["1" * 30])],
)
def test_a_comma_string_is_a_list(given: object, meant: object) -> None:
    """C-01: what is none is left for the service to refuse."""
    assert as_wish(1, given)["segment_ids"] == meant
