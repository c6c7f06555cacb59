"""What the ledger's workers tell the log: slugs and ids, an error as class and place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from opendrape.domain.work import Lease
from opendrape.logging import get_log

OnEvent = Callable[[str, Mapping[str, object]], None]
"""Called with an event's slug and its fields; ``exc_info`` carries the exception, if any. Must not raise."""

_TROUBLE: Final = frozenset(
    {
        "work_failed",
        "work_waits",
        "lease_lost",
        "heartbeat_missed",
        "catalogue_silent",
        "work_not_settled",
        "leases_collected",
        "bus_silent",
    }
    | {"tidying_postponed", "cleaning_postponed"}
)


def log_event(event: str, fields: Mapping[str, object]) -> None:
    """Write the event to the log, troubles as warnings."""
    log = get_log("ledger")
    if event in _TROUBLE:
        log.warning(event, **fields)
    else:
        log.info(event, **fields)


def about(lease: Lease) -> dict[str, object]:
    """The fields that say which attempt an event is about."""
    return {
        "item_id": lease.item_id,
        "asset_id": lease.asset_id,
        "kind": lease.kind.value,
        "chunk": lease.chunk,
        "epoch": lease.epoch,
        "attempts": lease.attempts,
    }
