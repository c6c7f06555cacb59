"""D-02, O-03: what was delivered gets to another destination too, as the same bytes; the work folder stays small."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.runs import Bench, write_policy

pytestmark = pytest.mark.models


@pytest.fixture
def bench(models_dir: Path, tmp_path: Path) -> Bench:
    make_sample(tmp_path / "in", SampleRequest(seconds=Fraction(2), width=480, height=270, key_interval=30))
    return Bench(tmp_path / "state", tmp_path / "out", models_dir, write_policy(tmp_path / "policies"))


def delivered(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def intermediate(bench: Bench) -> list[str]:
    work = bench.state / "work"
    return [path.name for folder in ("chunks", "masked") for path in (work / folder).rglob("*") if path.is_file()]


def actions(bench: Bench) -> Iterator[tuple[str, str]]:
    """Every audit event: action and kind of work."""
    query = "SELECT action, coalesce(json_extract(facts, '$.kind'), '') FROM audit_events ORDER BY event_id"
    with closing(sqlite3.connect(bench.state / "catalogue.sqlite3")) as connection:
        yield from connection.execute(query).fetchall()


def masked_chunks(bench: Bench) -> int:
    return list(actions(bench)).count(("work.done", "mask"))


def test_another_output_folder_gets_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    """D-02: masked again after the work folder was tidied; the first destination is left as it is."""
    code, result = bench.run(tmp_path / "in")
    assert code == 0, result
    first, chunks = delivered(bench.output), masked_chunks(bench)
    assert len(first) == 2
    assert chunks >= 2
    assert intermediate(bench) == [], "chunks and masked file stayed after delivery"
    elsewhere = replace(bench, output=tmp_path / "elsewhere")
    code, result = elsewhere.run(tmp_path / "in")
    assert code == 0, result
    assert result["assets"][0]["receipt_verified"] is True
    assert delivered(elsewhere.output) == delivered(bench.output) == first
    assert masked_chunks(bench) == 2 * chunks
    assert [action for action, _ in actions(bench)].count("delivery.again") == 1
    assert elsewhere.run(tmp_path / "in")[0] == 0
    assert masked_chunks(bench) == 2 * chunks, "what is delivered is not done twice"


def test_a_removed_output_comes_back_without_masking_while_results_are_kept(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-02: the setting keeps what a second delivery needs; a changed output is told and left as it is."""
    monkeypatch.setenv("OPENDRAPE_WORK__KEEP_INTERMEDIATE", "true")
    assert bench.run(tmp_path / "in")[0] == 0
    first, chunks = delivered(bench.output), masked_chunks(bench)
    assert len(intermediate(bench)) == chunks + 1
    (video,) = bench.output.rglob("*.mp4")
    video.unlink()
    code, result = bench.run(tmp_path / "in")
    assert code == 0, result
    assert delivered(bench.output) == first
    assert masked_chunks(bench) == chunks
    video.write_bytes(b"another film")
    code, result = bench.run(tmp_path / "in")
    assert (code, result["assets"][0]["receipt_fault"]) == (1, "output_differs")
    assert video.read_bytes() == b"another film"
