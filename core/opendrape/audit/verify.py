"""Is the audit whole: finds events that were changed, removed, put in, moved or cut off (H-09)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from opendrape.audit.chain import GENESIS, is_genuine, mac_of, same
from opendrape.domain.audit import Anchor, Seal, StoredEvent
from opendrape.domain.audit_keys import AuditKeys
from opendrape.ports.audit_trail import Anchors, AuditTrail

LONGEST_TRANSACTION: Final = timedelta(minutes=10)
"""An event that is older than the seal before it by more was not there when that seal was made (or a clock was set back
while nobody sealed)."""

_PAGE: Final = 1000


class Fault(StrEnum):
    """What can be wrong at one place."""

    CHANGED = "changed"
    """event, place or seal is not what was sealed"""
    MISSING = "missing"
    """an event or a seal is gone"""
    BACKDATED = "backdated"
    """the event appeared later than it says"""
    TRUNCATED = "truncated"
    """the chain ends before the place that was anchored"""
    REPLACED = "replaced"
    """the chain at an anchored place is another one"""
    ANCHOR_MISSING = "anchor_missing"
    """there are seals but no anchor"""
    ANCHOR_FORGED = "anchor_forged"
    """an anchor was not made with our key"""
    KEY_UNKNOWN = "key_unknown"
    """made with a key that is not here"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: ``position`` in the chain, or None for an event without a seal; ``event_id`` where known."""

    fault: Fault
    position: int | None
    event_id: int | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found. ``findings`` are the first hundred; ``unsealed`` counts events that wait for their seal."""

    sealed: int
    unsealed: int
    anchors: int
    head: Seal | None
    findings: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        """True when nothing was found."""
        return not self.findings


def verify(
    trail: AuditTrail, keys: AuditKeys, anchors: Anchors, *, now: datetime, most_findings: int = 100
) -> AuditReport:
    """Go through the whole trail. Reads in pages: memory does not grow with it. Transient errors pass.

    Blind spots, by design: what was done to an event before it was sealed, and to seals newer than the last anchor.
    """
    checked = _Walk(keys)
    findings = list(islice(checked.faults(trail), most_findings))
    unsealed, late = _unsealed(trail, checked.head, now)
    known = anchors.read()
    findings += [*late, *_anchor_faults(trail, keys, known, has_seals=checked.count > 0)]
    return AuditReport(checked.count, unsealed, len(known), checked.head, tuple(findings[:most_findings]))


class _Walk:
    """One walk along the chain."""

    def __init__(self, keys: AuditKeys) -> None:
        self._keys = keys
        self.head: Seal | None = None
        self.count = 0

    def faults(self, trail: AuditTrail) -> Iterator[Finding]:
        """What is wrong from the first seal to the last."""
        while page := trail.sealed(after=self.head.position if self.head else 0, limit=_PAGE):
            for seal, stored in page:
                yield from self._faults_of(seal, stored)
                self.head, self.count = seal, self.count + 1

    def _faults_of(self, seal: Seal, stored: StoredEvent | None) -> Iterator[Finding]:
        before = self.head
        expected = before.position + 1 if before else 1
        key = self._keys.secret(seal.key_id)
        if seal.position != expected:
            yield Finding(Fault.MISSING, expected)  # what follows a gap cannot be checked: its predecessor is gone
        elif stored is None:
            yield Finding(Fault.MISSING, seal.position, seal.event_id)
        elif key is None:
            yield Finding(Fault.KEY_UNKNOWN, seal.position, seal.event_id)
        elif not _fits(seal, stored, before.mac if before else GENESIS, key):
            yield Finding(Fault.CHANGED, seal.position, seal.event_id)
        elif before and _is_backdated(stored, before.sealed_at, seal.sealed_at):
            yield Finding(Fault.BACKDATED, seal.position, seal.event_id)


def _fits(seal: Seal, stored: StoredEvent, previous: str, key: bytes) -> bool:
    try:
        return same(mac_of(seal, stored, previous=previous, key=key), seal.mac)
    except (ValueError, TypeError, RecursionError):  # facts that canonical JSON cannot hold were never sealed
        return False


def _is_backdated(stored: StoredEvent, sealed_before: datetime, sealed_at: datetime) -> bool:
    return stored.event.at < min(sealed_before, sealed_at) - LONGEST_TRANSACTION


def _unsealed(trail: AuditTrail, head: Seal | None, now: datetime) -> tuple[int, list[Finding]]:
    count, after, late = 0, 0, []
    while page := trail.unsealed(after=after, limit=_PAGE):
        count, after = count + len(page), page[-1].event_id
        if head:
            late += [
                Finding(Fault.BACKDATED, None, stored.event_id)
                for stored in page
                if _is_backdated(stored, head.sealed_at, now)
            ]
    return count, late


def _anchor_faults(
    trail: AuditTrail, keys: AuditKeys, anchors: Sequence[Anchor], *, has_seals: bool
) -> Iterator[Finding]:
    if has_seals and not anchors:
        yield Finding(Fault.ANCHOR_MISSING, None)
    for anchor in anchors:
        key = keys.secret(anchor.key_id)
        if key is None:
            yield Finding(Fault.KEY_UNKNOWN, anchor.position)
            continue
        if not is_genuine(anchor, key):
            yield Finding(Fault.ANCHOR_FORGED, anchor.position)
            continue
        there = trail.seal_at(anchor.position)
        if there is None:
            yield Finding(Fault.TRUNCATED, anchor.position)
        elif not same(there.mac, anchor.mac):
            yield Finding(Fault.REPLACED, anchor.position, there.event_id)
