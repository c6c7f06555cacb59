"""The gateway's benchmarks: nothing is left out, a walk through a table is seen, and the arithmetic of pairs."""

from __future__ import annotations

import pytest
from benchmarks.gateway_lists import NOT_MEASURED, Measured, Run, calls
from benchmarks.gateway_page import page as lists_page
from benchmarks.gateway_page import verdict
from benchmarks.gateway_plans import Plan
from benchmarks.pollers_clients import Tally, Told
from benchmarks.pollers_page import Half, Pair, added_share, clients_share, median_ratio, page

from opendrape_gateway.composition import describe_api

TOLD = Told(asked=400, refused=0, reconnected=0, median_ms=8, late_ms=20, streams=20, events=60, cpu_seconds=1.0)


def half(seconds: float, *, door: float = 1.0, told: Told | None = None) -> Half:
    """A masking of so many seconds."""
    return Half(seconds, seconds + 1, seconds + 2, door, 2 * seconds, told)


def pair(alone: float, watched: float, **more: float) -> Pair:
    """The same pictures twice."""
    return Pair(half(alone), half(watched, told=TOLD, **more))


def test_every_reading_operation_is_measured_or_it_is_said_why_not() -> None:
    """H-02: whoever adds a list or a status call measures it too."""
    reading = {
        described["operationId"]
        for operations in describe_api()["paths"].values()
        for method, described in operations.items()
        if method in {"get", "head"}
    }
    measured = {call.operation for call in calls()}
    assert measured.isdisjoint(NOT_MEASURED)
    assert measured | set(NOT_MEASURED) == reading


@pytest.mark.parametrize(
    ("line", "is_walk"),
    [
        ("SCAN assets", True),
        ("SCAN assets USING INDEX ix_assets_state_asset_id", True),
        ("SCAN CONSTANT ROW", False),
        ("SCAN (subquery-1)", False),
        ("SEARCH assets USING INDEX sqlite_autoindex_assets_1 (asset_id>?)", False),
        ("Seq Scan on assets", True),
        ("Seq Scan on frame_workers", False),
        ("Index Scan using pk_assets on assets", True),
        ("Index Scan using pk_assets on assets ((asset_id)::text > $1)", False),
        ("Bitmap Heap Scan on assets", False),
    ],
)
def test_a_walk_through_a_whole_table_or_index_is_seen(line: str, is_walk: bool) -> None:
    """H-02: in the words of both databases."""
    assert bool(Plan((line,)).walks) is is_walk


def test_a_call_that_misses_the_aim_is_named() -> None:
    """H-02: with its database and its median."""
    call = calls()[0]
    slow = Run("SQLite", 1.0, (Measured(call, [40.0, 60.0, 61.0], [1.0, 2.0, 3.0]),), (0.1, 0.2))
    assert verdict([slow]) == (
        "The aim is less than 50 ms at the median: missed by `listVideos` of chief on SQLite (60 ms)."
    )
    quick = Run("SQLite", 1.0, (Measured(call, [40.0, 41.0, 61.0], [1.0, 2.0, 3.0]),), (0.1, 0.2))
    assert verdict([quick]).endswith("every call keeps it.")
    assert "| chief | `/api/videos/` | 41.0 | " in lists_page([quick], NOT_MEASURED)


def test_the_median_is_that_of_the_pairs_not_of_the_halves() -> None:
    """A machine that becomes slower between two pairs changes no ratio."""
    pairs = [pair(10, 10.2), pair(20, 20.6), pair(40, 44)]
    assert median_ratio(pairs, lambda one: one.mask_seconds) == pytest.approx(1.03)


def test_processor_time_is_told_as_a_share_of_all_cores() -> None:
    """What the server used alone is scaled to the time that watching lasted."""
    watched = pair(8, 18, door=4.0)  # 10 s alone, 20 s watched
    assert added_share(watched, cores=2) == pytest.approx((4.0 - 2.0) / 40)
    assert clients_share(watched, cores=2) == pytest.approx(1.0 / 40)


def test_the_page_says_whether_the_aim_is_kept() -> None:
    """Five percent."""
    kept = page([pair(10, 10.4)], pollers=200, streams=20, seconds=12, load=(0.5, 2.0))
    missed = page([pair(10, 10.6)], pollers=200, streams=20, seconds=12, load=(0.5, 2.0))
    assert "masking 1.040, whole journey 1.036. The aim is 1.05 at most: kept." in kept
    assert "masking 1.060, whole journey 1.055. The aim is 1.05 at most: missed." in missed


def test_answers_are_summed_up() -> None:
    """Also when there was none."""
    tally = Tally(seconds=[0.001, 0.002, 0.003])
    tally.counts.update(refused=1, streams=20, events=7)
    told = tally.told(0.5)
    assert (told.asked, told.refused, told.streams, told.events, told.median_ms) == (3, 1, 20, 7, 2.0)
    assert Tally().told(0.0).median_ms == 0
