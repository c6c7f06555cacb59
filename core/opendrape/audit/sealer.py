"""Who chains the audit: seals new events after their transactions, anchors the head outside the catalogue (H-09)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opendrape.audit.chain import anchor_of, is_genuine, same, seal_events
from opendrape.domain.audit import Anchor, Seal, StoredEvent
from opendrape.domain.audit_keys import AuditKeys
from opendrape.errors import TransientError
from opendrape.logging import get_log
from opendrape.metrics import Metrics
from opendrape.ports.audit_trail import Anchors, AuditTrail
from opendrape.ports.clock import Clock

_BATCH: Final = 500
_log = get_log("audit")


class AuditSealer:
    """May run in several places at once; one of two that meet does the work. A chain that no longer fits its anchors is
    not extended: it is logged and shown as ``opendrape_audit_broken`` until a person has looked.
    """

    def __init__(
        self,
        *,
        trail: AuditTrail,
        keys: AuditKeys,
        anchors: Anchors,
        clock: Clock,
        metrics: Metrics,
        seal_seconds: float = 10.0,
        anchor_seconds: float = 60.0,
    ) -> None:
        self._trail, self._keys, self._anchors = trail, keys, anchors
        self._clock, self._metrics = clock, metrics
        self._seal_seconds, self._anchor_seconds = seal_seconds, anchor_seconds
        self._everything = True  # the first look goes through the whole trail
        self._anchor: Anchor | None = None
        self._anchored_at: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Seal now and then until ``stop`` is set. A silent catalogue or a full disk is waited for."""
        while not stop.is_set():
            try:
                self.tick()
            except TransientError as error:
                _log.warning("audit_not_sealed", exc_info=error)
            stop.wait(self._seal_seconds)
        self.finish()

    def finish(self) -> None:
        """Seal and anchor whatever there is, at the end of a process; what cannot be is left to the next one."""
        try:
            self.tick(anchor_now=True)
        except TransientError as error:
            _log.warning("audit_not_sealed", exc_info=error)

    def tick(self, *, anchor_now: bool = False) -> int:
        """Seal everything new; returns how many events. ``CatalogueUnavailable``, ``StorageUnavailable`` pass."""
        if not self._fits_its_anchor():
            self._metrics.audit_broken.set(1)
            _log.error("audit_broken", reason="audit_broken")
            return 0
        self._metrics.audit_broken.set(0)
        sealed = 0
        while seals := self._trail.seal_next(self._sign, limit=_BATCH, everything=self._everything):
            sealed += len(seals)
        self._everything = False
        self._anchor_head(now_at_any_rate=anchor_now)
        return sealed

    def _sign(self, head: Seal | None, events: Sequence[StoredEvent], now: datetime) -> Sequence[Seal]:
        return seal_events(events, head=head, now=now, key_id=self._keys.active_id, key=self._keys.active)

    def _fits_its_anchor(self) -> bool:
        newest = self._newest_anchor()
        if newest is None:
            return True
        there = self._trail.seal_at(newest.position)
        return there is not None and same(there.mac, newest.mac)

    def _newest_anchor(self) -> Anchor | None:
        if self._anchor is None:
            genuine = [
                one for one in self._anchors.read() if (key := self._keys.secret(one.key_id)) and is_genuine(one, key)
            ]
            self._anchor = max(genuine, key=lambda one: one.position, default=None)
        return self._anchor

    def _anchor_head(self, *, now_at_any_rate: bool) -> None:
        head, now = self._trail.head(), self._clock.monotonic()
        if head is None:
            return
        self._metrics.audit_sealed.set(head.position)
        is_due = self._anchored_at is None or now - self._anchored_at >= self._anchor_seconds or now_at_any_rate
        if not is_due or (self._anchor is not None and self._anchor.position >= head.position):
            return
        anchor = anchor_of(head, now=self._clock.now(), key_id=self._keys.active_id, key=self._keys.active)
        self._anchors.append(anchor)
        self._anchor, self._anchored_at = anchor, now
        # a second anchor: the log goes elsewhere
        _log.info("audit_anchored", audit_position=head.position, audit_head=head.mac)
