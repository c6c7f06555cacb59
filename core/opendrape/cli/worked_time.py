"""How long was an asset worked on: the time in which at least one of its finished items was in somebody's hands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opendrape.domain.audit import AuditEvent

REGISTERED, LEASED, DONE = "asset.registered", "work.leased", "work.done"


def worked_seconds(events: Iterable[AuditEvent]) -> float:
    """Seconds; waiting between items, lost attempts and time between two runs do not count, parallel chunks count once.

    ``events`` are those of one asset, in order; what was done under an earlier policy does not count.
    """
    taken: dict[object, datetime] = {}
    spans: list[tuple[datetime, datetime]] = []
    for event in events:
        item = event.facts.get("item")
        if event.action == REGISTERED and "policy" in event.facts:
            taken, spans = {}, []
        elif event.action == LEASED:
            taken[item] = event.at
        elif event.action == DONE and item in taken:
            spans.append((taken.pop(item), event.at))
    return _union(spans)


def _union(spans: list[tuple[datetime, datetime]]) -> float:
    total, covered_until = 0.0, None
    for start, end in sorted(spans):
        begin = start if covered_until is None else max(start, covered_until)
        if end > begin:
            total += (end - begin).total_seconds()
            covered_until = end
    return total
