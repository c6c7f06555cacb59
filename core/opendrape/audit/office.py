"""What somebody who seals or checks the audit needs, in one place: trail, keys, anchors, clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from opendrape.audit.sealer import AuditSealer
from opendrape.audit.verify import AuditReport, verify
from opendrape.domain.audit_keys import AuditKeys
from opendrape.metrics import Metrics
from opendrape.ports.audit_trail import Anchors, AuditTrail
from opendrape.ports.clock import Clock


@dataclass(frozen=True)
class AuditOffice:
    """The audit of one installation. Keys are opened when somebody seals or checks: a process that does neither needs
    none, and must not make any.
    """

    trail: AuditTrail
    open_keys: Callable[[], AuditKeys]
    anchors: Anchors
    clock: Clock

    @cached_property
    def keys(self) -> AuditKeys:
        """The keys. ``ConfigurationError`` when they cannot be had."""
        return self.open_keys()

    def sealer(self, metrics: Metrics, *, seal_seconds: float = 10.0, anchor_seconds: float = 60.0) -> AuditSealer:
        """A sealer that is not yet running; ``finish`` seals everything once."""
        return AuditSealer(
            trail=self.trail,
            keys=self.keys,
            anchors=self.anchors,
            clock=self.clock,
            metrics=metrics,
            seal_seconds=seal_seconds,
            anchor_seconds=anchor_seconds,
        )

    def verify(self) -> AuditReport:
        """Go through the whole trail."""
        return verify(self.trail, self.keys, self.anchors, now=self.clock.now())
