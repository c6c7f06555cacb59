"""Which out-of-body time must a person look at before anything of a video is delivered (V-05)?"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from opendrape.domain.policy import Policy
from opendrape.domain.regions import MaskReport
from opendrape.domain.scene_facts import BodyInterval
from opendrape.domain.scene_rules import OutOfBodyRule
from opendrape.errors import UncertainOutOfBody

_MOST_IN_A_MESSAGE: Final = 5


def awaiting_review(intervals: Sequence[BodyInterval], rule: OutOfBodyRule) -> tuple[BodyInterval, ...]:
    """The intervals that keep a video back: in doubt, and not of a kind that the policy lets pass."""
    if rule.review == "none":
        return ()
    return tuple(one for one in intervals if one.in_doubt and (rule.review == "uncertain" or not one.masked))


def check_nothing_awaits_review(report: MaskReport, policy: Policy) -> None:
    """Raise :class:`UncertainOutOfBody`, which names frames and seconds, while a person has not decided."""
    waiting = awaiting_review(report.out_of_body, policy.out_of_body)
    if waiting:
        told = "; ".join(described(one) for one in waiting[:_MOST_IN_A_MESSAGE])
        more = f"; and {len(waiting) - _MOST_IN_A_MESSAGE} more" if len(waiting) > _MOST_IN_A_MESSAGE else ""
        raise UncertainOutOfBody(f"nobody can tell whether this is out of the body: {told}{more}")


def described(one: BodyInterval) -> str:
    """The interval as ``--interval`` takes it, with its seconds and what became of it."""
    start, end = (float(Fraction(seconds)) for seconds in (one.start_seconds, one.end_seconds))
    state = "blacked" if one.masked else "shown"
    return f"frames {one.start_frame}-{one.end_frame} ({start:.2f} s to {end:.2f} s, {state})"
