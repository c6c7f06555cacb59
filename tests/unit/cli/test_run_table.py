"""C-02: the table at the end names every file once and every trouble with its reason."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from opendrape.cli.asset_outcome import RECEIPT_FAULTS, AssetOutcome
from opendrape.cli.run import _files_json
from opendrape.cli.run_table import printable, remarks, show_outcomes
from opendrape.cli.terminal import Terminal
from opendrape.domain.states import AssetState
from opendrape_ingest.result import ScannedFile, ScanResult, Status
from opendrape_uploader.receipts import Verdict

GOOD = AssetOutcome(
    "ar-1",
    AssetState.DELIVERED,
    frames=600,
    masked_frames=500,
    detections={"face": 120, "text": 40},
    tracks={"face": 1, "text": 3},
    seconds=7.5,
    speed=2.7,
    output="ar-1/ar-1_faces.mp4",
    receipt="ar-1/ar-1_faces.receipt.json",
)
FILES = (
    ScannedFile(Path("Dr X/one.mp4"), Status.NEW, asset_id="ar-1", size_bytes=10),
    ScannedFile(Path("Dr X/again.mp4"), Status.DUPLICATE, "same_content", "ar-1", 10, Path("Dr X/one.mp4")),
    ScannedFile(Path("Dr X/bad.mp4"), Status.NEW, asset_id="ar-2", size_bytes=10),
    ScannedFile(Path("Dr X/photo.jpg"), Status.UNSUPPORTED, "image_not_supported_yet"),
    ScannedFile(Path("Dr X/.hidden"), Status.IGNORED, "hidden"),
)
OUTCOMES = {"ar-1": GOOD, "ar-2": AssetOutcome("ar-2", AssetState.FAILED, "truncated")}


def test_the_table_shows_what_was_asked_for() -> None:
    """Issue: frames, faces, text regions, tracks, time, speed, output path, receipt verified."""
    stream = io.StringIO()
    terminal = Terminal(out=Console(file=stream, width=200))
    show_outcomes(terminal, ScanResult(FILES, dry_run=False), OUTCOMES, Path("out"))
    row = next(line for line in stream.getvalue().splitlines() if "one.mp4" in line and "600" in line)
    for cell in ("delivered", "600", "120", "40", "4", "7.5", "2.70x", "verified"):
        assert cell in row
    assert "out/ar-1/ar-1_faces.mp4" in stream.getvalue()


def test_a_name_is_not_taken_for_markup() -> None:
    """I-03: brackets in a name are shown."""
    stream = io.StringIO()
    file = ScannedFile(Path("[bold]film[red].mp4"), Status.NEW, asset_id="ar-1")
    result = ScanResult((file,), dry_run=False)
    show_outcomes(Terminal(out=Console(file=stream, width=200)), result, {"ar-1": GOOD}, Path("out"))
    assert "[bold]film[red].mp4" in stream.getvalue()


def test_every_file_that_was_not_simply_delivered_has_a_line() -> None:
    """I-02: reported, never silently skipped; hidden files are no news."""
    lines = remarks(FILES, OUTCOMES)
    assert [line.split()[0] for line in lines] == ["duplicate", "failed", "unsupported", "failed"]
    assert "truncated" in lines[1]
    assert "image_not_supported_yet" in lines[2]
    assert "--retry" in lines[3]


def test_a_delivered_video_whose_receipt_does_not_hold_is_told() -> None:
    """D-06."""
    bad = AssetOutcome("ar-1", AssetState.DELIVERED, receipt="r", receipt_fault="output_differs")
    assert remarks(FILES[:1], {"ar-1": bad})[0].startswith("unverified")


def test_json_names_no_source() -> None:
    """P-05: what a machine gets has ids, counts and reasons; no file name, no folder."""
    text = json.dumps([_files_json(ScanResult(FILES, dry_run=False)), GOOD.as_json()])
    for word in ("Dr X", "one.mp4", "bad.mp4", "photo"):
        assert word not in text
    assert "image_not_supported_yet" in text


def test_a_hostile_name_cannot_write_on_the_terminal() -> None:
    """I-03: control characters and lone surrogates in names are shown, not obeyed."""
    assert printable("a\x1b[2Jb\nc\udcff.mp4") == "a\\x1b[2Jb\\x0ac\\udcff.mp4"
    assert printable("Ærø [bold]x%#{}.mp4") == "Ærø [bold]x%#{}.mp4"


def test_every_fault_of_a_receipt_has_its_sentence() -> None:
    """D-06: whatever the verification says, a person is told what it means."""
    faults = {str(verdict) for verdict in Verdict} - {"valid"} | {"receipt_missing"}
    assert set(RECEIPT_FAULTS) == faults
    moved = AssetOutcome(
        "ar-1", AssetState.DELIVERED, output="ar-1/x.mp4", receipt="r", receipt_fault="receipt_missing"
    )
    assert "not in this folder" in remarks(FILES[:1], {"ar-1": moved})[0]
