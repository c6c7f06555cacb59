"""The scaling benchmarks' own arithmetic: spans from the audit, and a simulation that can be checked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from benchmarks.scaling import spans_of
from benchmarks.scaling_simulation import Simulation, Site

from opendrape.domain.audit import AuditEvent
from opendrape.domain.policy import PolicyRef
from opendrape.domain.states import WorkState
from opendrape.domain.work import WorkItem, WorkKind

ONE = Site(
    ingests=1,
    maskers=1,
    uploaders=1,
    videos=1,
    chunks=4,
    plan_seconds=1,
    chunk_seconds=(10.0,),
    assemble_seconds=5,
    deliver_seconds=2,
    ledger_per_second=1e9,
)


def test_one_masker_takes_the_sum_and_four_a_quarter() -> None:
    """Issue of scale: the simulation's clock is the one of the items, plus nothing."""
    assert Simulation(ONE).run().hours * 3600 == pytest.approx(1 + 40 + 5 + 2)
    assert Simulation(replace(ONE, maskers=4)).run().hours * 3600 == pytest.approx(1 + 10 + 5 + 2)


def test_a_slow_catalogue_is_told_as_the_bottleneck() -> None:
    """Every item needs two answers and one more for each heartbeat."""
    outcome = Simulation(replace(ONE, maskers=100, videos=50, ledger_per_second=1.0)).run()
    assert outcome.bottleneck in ("catalogue", "ingest")
    assert outcome.busy["catalogue"] > 0.9
    assert outcome.hours * 3600 >= 50 * (2 + 4 * 4 + 3 + 2)


def test_spans_count_from_the_first_taken_to_the_last_done() -> None:
    """The benchmark reads the audit: a chunk that waited counts, another video does not."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    kinds = (WorkKind.PLAN, WorkKind.MASK, WorkKind.MASK, WorkKind.ASSEMBLE, WorkKind.DELIVER)
    times = ((0, 1), (1, 9), (1, 11), (11, 12), (12, 13))
    events = [
        AuditEvent("w", action, "a", start + timedelta(seconds=at), {"item": number})
        for number, pair in enumerate(times)
        for action, at in zip(("work.leased", "work.done"), pair, strict=True)
    ]
    spans = spans_of([_item(number, kind) for number, kind in enumerate(kinds)], events)
    assert (spans.plan, spans.mask, spans.assemble, spans.deliver, spans.total) == (1, 10, 1, 1, 13)
    assert spans.serial_fraction == pytest.approx(2 / 12)
    assert spans.chunks == (8, 10)


def _item(number: int, kind: WorkKind) -> WorkItem:
    return WorkItem(
        item_id=number,
        asset_id="a",
        kind=kind,
        chunk=-1,
        policy=PolicyRef(name="faces", digest="f" * 64),
        state=WorkState.DONE,
        attempts=1,
        lease_epoch=1,
        owner=None,
        lease_until=None,
        due_at=datetime(2026, 1, 1, tzinfo=UTC),
        progress=1.0,
        reason=None,
    )
