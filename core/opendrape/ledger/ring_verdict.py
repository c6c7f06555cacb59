"""What becomes of a ring, given what the ledger says of its item?"""

from __future__ import annotations

from opendrape.domain.states import WorkState
from opendrape.domain.work import WorkItem
from opendrape.errors import CatalogueUnavailable, NotFound
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.doorbell import Fate, Verdict

BACK = Verdict(Fate.BACK)
OVER = Verdict(Fate.OVER)
UNKNOWN = Verdict(Fate.DEAD, "ring_item_unknown")


def verdict_on(catalogue: Catalogue, item_id: int, *, worked: bool) -> Verdict:
    """``worked``: this worker had the item. Never an error: without an answer the ring goes back."""
    try:
        return _verdict(catalogue.item(item_id), worked=worked)
    except NotFound:
        return UNKNOWN
    except CatalogueUnavailable:
        return BACK


def _verdict(item: WorkItem, *, worked: bool) -> Verdict:
    if item.state is WorkState.FAILED:
        return Verdict(Fate.DEAD, item.reason or "error")
    if item.state is WorkState.QUEUED and worked and item.reason == "stopping":
        return BACK  # given back at once: another worker may take it now
    # Waiting for its back-off: the ledger rings when it is due. Leased: somebody has it. Done or cancelled: over.
    return OVER
