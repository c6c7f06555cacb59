"""H-07, P-05: metrics say how much and how well, with labels from bounded sets only."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opendrape.domain.policy import PolicyRef
from opendrape.domain.reasons import REASONS
from opendrape.domain.regions import CheckResult, MaskReport, ResidualFinding
from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import (
    Artefact,
    ArtefactKind,
    Assembled,
    ChunkMasked,
    Delivered,
    Lease,
    Outcome,
    WorkKind,
)
from opendrape.errors import (
    CatalogueUnavailable,
    FidelityBroken,
    ResidualFound,
    ScrubIncomplete,
    StorageUnavailable,
)
from opendrape.metrics import MeteredHandler, Metrics, render

CANARY = "Zyxwv Patientovich 1981"
POLICY = PolicyRef(name="faces", digest="0" * 64)
LEASE = Lease(
    item_id=1, asset_id="ar-1", kind=WorkKind.MASK, chunk=0, policy=POLICY, epoch=1, attempts=1, owner="masker-0001"
)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"opendrape_{name}", labels)


def artefact(kind: ArtefactKind, size: int = 10) -> Artefact:
    return Artefact(kind=kind, name="x", sha256="0" * 64, size_bytes=size)


def report(**changes: Any) -> MaskReport:
    facts: dict[str, Any] = {
        "frames": 100,
        "masked_frames": 40,
        "detections": {"face": 12},
        "tracks": {"face": 1},
        "accounts": {},
        "models": (),
        "checks": CheckResult(frames_checked=100, residual_frames_examined=20),
    }
    return MaskReport(**(facts | changes))


def figures(**changes: Any) -> SimpleNamespace:
    answers: dict[str, Any] = {
        "count_assets": lambda: dict.fromkeys(AssetState, 0) | {AssetState.DELIVERED: 3},
        "queue_depth": lambda: dict.fromkeys(WorkKind, 0) | {WorkKind.MASK: 5},
        "oldest_due_seconds": lambda: dict.fromkeys(WorkKind, 0.0) | {WorkKind.MASK: 7.5},
        "outcomes": lambda: {
            (WorkKind.MASK, WorkState.DONE, None): 9,
            (WorkKind.PLAN, WorkState.FAILED, "corrupt"): 2,
            (WorkKind.PLAN, WorkState.FAILED, CANARY): 1,
            (WorkKind.PLAN, WorkState.FAILED, "of_another_version"): 3,
        },
    }
    return SimpleNamespace(**(answers | changes))


def test_an_attempt_is_counted_by_kind_outcome_and_reason() -> None:
    """H-07: work items and their durations."""
    metrics = Metrics()
    metrics.work_ended(WorkKind.MASK, seconds=2.0, outcome="done")
    metrics.work_ended(WorkKind.MASK, seconds=2.0, outcome="fail", reason="fidelity_broken")
    assert value(metrics, "work_items_total", kind="mask", outcome="done", reason="none") == 1
    assert value(metrics, "work_items_total", kind="mask", outcome="fail", reason="fidelity_broken") == 1
    assert value(metrics, "work_seconds_sum", kind="mask") == 4.0


def test_an_unknown_reason_counts_as_other() -> None:
    """P-05: text that came in as a reason, a role, an outcome, a method or a route never becomes a label."""
    metrics = Metrics()
    metrics.work_ended(WorkKind.MASK, seconds=1.0, outcome=CANARY, reason=CANARY)
    metrics.count_outcome(
        ChunkMasked(artefact=artefact(ArtefactKind.CHUNK), report=report(detections={CANARY: 2, "text": 1}))
    )
    metrics.verified(CANARY, passed=True)
    metrics.request_answered(method=CANARY, route=f"/{CANARY}", status=200, seconds=0.1)
    text = render(metrics)[0].decode()
    assert "Patientovich" not in text
    assert value(metrics, "work_items_total", kind="mask", outcome="other", reason="other") == 1
    assert value(metrics, "detections_total", role="other") == 2
    assert value(metrics, "http_requests_total", method="other", route="other", status="200") == 1


def test_a_thousand_different_reasons_make_one_series() -> None:
    """P-05: the number of series is bounded, whatever comes in."""
    metrics = Metrics()
    for number in range(1000):
        metrics.work_ended(WorkKind.PLAN, seconds=0.1, outcome="fail", reason=f"reason_{number}")
    series = [
        line for line in render(metrics)[0].decode().splitlines() if line.startswith("opendrape_work_items_total")
    ]
    assert series == ['opendrape_work_items_total{kind="plan",outcome="fail",reason="other"} 1000.0']


def test_a_masked_chunk_counts_frames_detections_and_checks() -> None:
    """H-07: frames, detections and verification results."""
    metrics = Metrics()
    metrics.count_outcome(ChunkMasked(artefact=artefact(ArtefactKind.CHUNK), report=report()))
    assert value(metrics, "frames_total") == 100
    assert value(metrics, "frames_masked_total") == 40
    assert value(metrics, "detections_total", role="face") == 12
    assert value(metrics, "verifications_total", check="fidelity", result="passed") == 1
    assert value(metrics, "verifications_total", check="residual", result="passed") == 1


def test_a_residual_finding_counts_as_a_failed_check() -> None:
    """H-07: a second look that saw something is not a pass."""
    finding = ResidualFinding(frame=1, role="face", score=0.5, x=0, y=0, width=9, height=9)
    checks = CheckResult(residual_frames_examined=5, residual_findings=(finding,))
    metrics = Metrics()
    metrics.count_outcome(ChunkMasked(artefact=artefact(ArtefactKind.CHUNK), report=report(checks=checks)))
    assert value(metrics, "verifications_total", check="residual", result="failed") == 1


def test_assembly_does_not_count_the_frames_of_its_chunks_again() -> None:
    """H-07: the assembled report is the sum of the chunks."""
    metrics = Metrics()
    metrics.count_outcome(Assembled(artefact=artefact(ArtefactKind.MASKED), md5="0", report=report(), scrub={}))
    assert value(metrics, "frames_total") == 0
    assert value(metrics, "verifications_total", check="scrub", result="passed") == 1


def test_delivery_counts_published_bytes() -> None:
    """H-07: bytes at the destination, after verification."""
    metrics = Metrics()
    published, receipt = artefact(ArtefactKind.PUBLISHED, 1234), artefact(ArtefactKind.RECEIPT)
    metrics.count_outcome(Delivered(published=published, receipt=receipt))
    assert value(metrics, "bytes_published_total") == 1234


class StandInHandler:
    """Ends as it was told to."""

    kinds = frozenset({WorkKind.MASK})

    def __init__(self, ending: Outcome | Exception) -> None:
        self.ending = ending

    def handle(self, lease: Lease, progress: object) -> Outcome:
        if isinstance(self.ending, Exception):
            raise self.ending
        return self.ending


def test_a_metered_handler_returns_what_the_handler_returned() -> None:
    """H-07: counting changes nothing."""
    metrics, ticks = Metrics(), iter((10.0, 13.0))
    outcome = ChunkMasked(artefact=artefact(ArtefactKind.CHUNK), report=report())
    handler = MeteredHandler(StandInHandler(outcome), metrics, lambda: next(ticks))
    assert handler.handle(LEASE, lambda fraction: None) is outcome
    assert handler.kinds == {WorkKind.MASK}
    assert value(metrics, "work_seconds_sum", kind="mask") == 3.0
    assert value(metrics, "frames_total") == 100


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (StorageUnavailable(), "retry", "storage_unavailable"),
        (FidelityBroken(reason="ticks_differ"), "fail", "ticks_differ"),
        (ValueError(CANARY), "retry", "unexpected"),
    ],
)
def test_a_metered_handler_counts_an_error_and_raises_it(error: Exception, outcome: str, reason: str) -> None:
    """H-07: the error rate, by bounded reason."""
    metrics = Metrics()
    with pytest.raises(type(error)):
        MeteredHandler(StandInHandler(error), metrics, lambda: 0.0).handle(LEASE, lambda fraction: None)
    assert value(metrics, "work_items_total", kind="mask", outcome=outcome, reason=reason) == 1
    failed = value(metrics, "verifications_total", check="fidelity", result="failed")
    assert failed == (1 if isinstance(error, FidelityBroken) else None)
    assert "Patientovich" not in render(metrics)[0].decode()


def test_the_queue_is_read_when_somebody_scrapes() -> None:
    """H-07: depth, age and asset states come from the catalogue, so that short-lived pods lose nothing."""
    metrics, depth = Metrics(), {WorkKind.MASK: 5}
    metrics.watch_catalogue(figures(queue_depth=lambda: depth))
    assert value(metrics, "queue_depth", kind="mask") == 5
    depth[WorkKind.MASK] = 2
    assert value(metrics, "queue_depth", kind="mask") == 2
    assert value(metrics, "queue_oldest_seconds", kind="mask") == 7.5
    assert value(metrics, "assets", state="delivered") == 3
    assert value(metrics, "catalogue_up") == 1


def test_a_catalogue_that_does_not_answer_gives_no_figures_instead_of_zeros() -> None:
    """H-07: an unreadable queue is not an empty queue, and the scrape still works."""

    def fail() -> dict[AssetState, int]:
        raise CatalogueUnavailable

    metrics = Metrics()
    metrics.watch_catalogue(figures(count_assets=fail))
    assert value(metrics, "catalogue_up") == 0
    assert value(metrics, "queue_depth", kind="mask") is None
    assert b"opendrape_frames_total" in render(metrics)[0]


def test_free_storage_is_measured_even_before_the_folder_exists(tmp_path: Path) -> None:
    """H-07: storage."""
    metrics = Metrics()
    metrics.watch_storage({"destination": tmp_path / "not" / "yet", CANARY: tmp_path})
    free = value(metrics, "storage_free_bytes", store="destination")
    assert free is not None
    assert free > 0
    assert "Patientovich" not in render(metrics)[0].decode()


def test_refused_log_fields_are_visible() -> None:
    """P-05: somebody who logs what he must not is found by the metric."""
    metrics, dropped = Metrics(), [3]
    metrics.watch_dropped_log_fields(lambda: dropped[0])
    assert value(metrics, "log_fields_dropped_total") == 3


def test_two_processes_in_one_do_not_share_numbers() -> None:
    """Metrics are on an own registry: nothing is global."""
    first, second = Metrics(), Metrics()
    first.bytes_published.inc(5)
    assert value(second, "bytes_published_total") == 0


def test_the_text_format_is_the_one_prometheus_reads() -> None:
    """H-07: content type and format of /metrics."""
    content, content_type = render(Metrics())
    assert content_type.startswith("text/plain")
    assert b"# TYPE opendrape_work_items_total counter" in content


def test_every_reason_has_a_sentence() -> None:
    """H-04: a reason is explained to a person. H-03: the predecessor's own texts stay as its clients know them."""
    known = {"Video not found", "Invalid segments", "Invalid anonymization level", "Invalid output format"}
    known |= {"Too many segments", "Too many frames", "Invalid request body"}
    assert known < set(REASONS.values())
    assert all(text.endswith(".") and text[0].isupper() for text in set(REASONS.values()) - known)


@pytest.mark.parametrize(
    ("error", "check"),
    [
        (FidelityBroken(reason="packet_differs"), "fidelity"),
        (ScrubIncomplete(), "scrub"),
        (ResidualFound(), "residual"),
        (StorageUnavailable(reason="read_back_differs"), "delivery"),
    ],
)
def test_every_kind_of_check_that_fails_is_counted_as_failed(error: Exception, check: str) -> None:
    """H-07: verification results, whatever the exact reason is."""
    metrics = Metrics()
    with pytest.raises(type(error)):
        MeteredHandler(StandInHandler(error), metrics, lambda: 0.0).handle(LEASE, lambda fraction: None)
    assert value(metrics, "verifications_total", check=check, result="failed") == 1


def test_ended_items_are_counted_from_the_catalogue_so_that_pods_that_are_gone_are_counted_too() -> None:
    """H-07, P-05: by kind, state and reason from bounded sets; what no version knows is added up as other."""
    metrics = Metrics()
    metrics.watch_catalogue(figures())
    assert value(metrics, "ended_items_total", kind="mask", state="done", reason="none") == 9
    assert value(metrics, "ended_items_total", kind="plan", state="failed", reason="corrupt") == 2
    assert value(metrics, "ended_items_total", kind="plan", state="failed", reason="other") == 4
    assert CANARY.encode() not in render(metrics)[0]
