"""How far in time a rule's sightings matter: what must be known before the masks of a frame are final."""

from __future__ import annotations

from dataclasses import dataclass

from opendrape.domain.policy import DetectRule
from opendrape.domain.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Reach:
    """The rule's times in ticks of the video's time base."""

    bridge: int
    hold: int
    recover: int
    gap: int
    drift: int

    @classmethod
    def of(cls, rule: DetectRule, timeline: Timeline) -> Reach:
        base = timeline.time_base
        bridge = max(rule.bridge_seconds, rule.max_gap_seconds)
        recovers = rule.weak_score < rule.strong_score
        return cls(
            bridge=int(bridge / base),
            hold=int(max(rule.hold_seconds, rule.max_gap_seconds) / base),
            recover=int(bridge / base) if recovers else 0,
            gap=int(rule.max_gap_seconds / base),
            drift=int(bridge / base),
        )

    @property
    def ahead(self) -> int:
        """How far past a frame the looks must be known before the frame's masks are final."""
        if self.recover:
            return max(self.hold, self.bridge) + self.recover + self.bridge
        return max(self.bridge, self.hold + self.drift)  # what is held drifts with a speed that the next sighting tells

    @property
    def context(self) -> int:
        """How much before a chunk must be examined so that its masks equal those of the whole video."""
        return 2 * self.ahead + self.gap
