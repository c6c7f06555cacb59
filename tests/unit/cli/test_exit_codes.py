"""C-02: the exit code tells what happened, and the README says what it tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opendrape.cli.asset_outcome import AssetOutcome
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.run import exit_code
from opendrape.domain.states import AssetState
from opendrape_ingest.result import ScannedFile, ScanResult, Status

ROOT = Path(__file__).resolve().parents[3]


def scanned(*statuses: Status) -> ScanResult:
    files = tuple(ScannedFile(Path(f"{number}.mp4"), status) for number, status in enumerate(statuses))
    return ScanResult(files=files, dry_run=False)


def outcomes(state: AssetState, fault: str | None = None) -> dict[str, AssetOutcome]:
    return {"a": AssetOutcome("a", state, receipt="r", receipt_fault=fault)}


@pytest.mark.parametrize(
    ("statuses", "state", "code"),
    [
        ((Status.NEW,), AssetState.DELIVERED, ExitCode.DELIVERED),
        ((Status.KNOWN, Status.IGNORED, Status.DUPLICATE), AssetState.DELIVERED, ExitCode.DELIVERED),
        ((Status.NEW, Status.DEFERRED), AssetState.DELIVERED, ExitCode.DEFERRED),
        ((Status.NEW, Status.UNSUPPORTED), AssetState.DELIVERED, ExitCode.FAILED),
        ((Status.DEFERRED, Status.FAILED), AssetState.DELIVERED, ExitCode.FAILED),
        ((Status.NEW,), AssetState.QUARANTINED, ExitCode.FAILED),
        ((Status.NEW,), AssetState.FAILED, ExitCode.FAILED),
        ((Status.NEW,), AssetState.MASKING, ExitCode.FAILED),
    ],
)
def test_the_worst_of_what_happened_decides(statuses: tuple[Status, ...], state: AssetState, code: ExitCode) -> None:
    """C-02."""
    assert exit_code(scanned(*statuses), outcomes(state)) == code


def test_a_delivery_whose_receipt_does_not_hold_is_a_failure() -> None:
    """D-06, C-02: delivered is not enough; it is verified again at the end of a run."""
    assert exit_code(scanned(Status.NEW), outcomes(AssetState.DELIVERED, "tampered")) == ExitCode.FAILED


def test_an_empty_folder_is_a_success() -> None:
    assert exit_code(scanned(), {}) == ExitCode.DELIVERED


def test_the_readme_documents_exactly_these_codes() -> None:
    """C-02: documented, and true."""
    rows = re.findall(r"^\| (\d+) \| ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == sorted(int(code) for code in ExitCode)
