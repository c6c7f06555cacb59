"""V-05: which uncertain time keeps a video back, and what a person is told about it."""

from __future__ import annotations

import pytest

from opendrape.adapters.policy_files import read_policy
from opendrape.domain.body_review import awaiting_review, check_nothing_awaits_review, described
from opendrape.domain.policy import Policy, Role
from opendrape.domain.reasons import REASONS
from opendrape.domain.regions import CheckResult, MaskReport
from opendrape.domain.scene_facts import BodyInterval, ConfirmedInterval
from opendrape.domain.scene_rules import OutOfBodyRule
from opendrape.errors import Disposition, PolicyInvalid, UncertainOutOfBody
from opendrape.settings import shipped

POLICY = Policy(name="p", summary="s")


def interval(start: int, *, masked: bool = True, in_doubt: bool = True) -> BodyInterval:
    return BodyInterval(
        start_frame=start,
        end_frame=start + 10,
        start_seconds=f"{start}/25",
        end_seconds=f"{start + 10}/25",
        certainty="uncertain",
        masked=masked,
        in_doubt=in_doubt,
    )


def report(*intervals: BodyInterval) -> MaskReport:
    return MaskReport(
        frames=1000,
        masked_frames=0,
        detections={},
        tracks={},
        accounts={},
        models=(),
        checks=CheckResult(),
        out_of_body=intervals,
    )


@pytest.mark.parametrize(
    ("review", "waiting"), [("uncertain", [0, 20]), ("shown", [20]), ("none", [])], ids=lambda value: str(value)
)
def test_the_rule_chooses_among_what_is_in_doubt(review: str, waiting: list[int]) -> None:
    """V-05: the way between two certain looks is in nobody's way."""
    intervals = (interval(0), interval(20, masked=False), interval(40, in_doubt=False))
    found = awaiting_review(intervals, OutOfBodyRule.model_validate({"review": review}))
    assert [one.start_frame for one in found] == waiting


def test_a_person_is_told_where_to_look() -> None:
    """V-05: frames as --interval takes them, and seconds; not more than a message holds."""
    assert described(interval(50)) == "frames 50-60 (2.00 s to 2.40 s, blacked)"
    with pytest.raises(UncertainOutOfBody) as held:
        check_nothing_awaits_review(report(*(interval(20 * n, masked=False) for n in range(7))), POLICY)
    assert "frames 0-10 (0.00 s to 0.40 s, shown)" in str(held.value)
    assert "and 2 more" in str(held.value)
    assert "--interval" in held.value.next_step


def test_it_quarantines_with_a_reason_that_is_explained() -> None:
    """V-05, O-05."""
    assert UncertainOutOfBody.disposition is Disposition.QUARANTINE
    assert UncertainOutOfBody.default_reason in REASONS


def test_what_nothing_waits_for_passes() -> None:
    """V-05."""
    check_nothing_awaits_review(report(interval(0, in_doubt=False)), POLICY)


def test_what_was_said_in_another_order_is_the_same_policy() -> None:
    """V-05: the digest of a retry does not depend on how the options were typed."""
    one = ConfirmedInterval(start_frame=0, end_frame=9, where="in_body")
    other = ConfirmedInterval(start_frame=9, end_frame=12, where="out_of_body")
    rule = OutOfBodyRule()
    assert rule.with_confirmed((one, other)) == rule.with_confirmed((other, one)).with_confirmed((one,))


def test_a_policy_file_cannot_speak_for_every_video(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """V-05: frames 0 to 100 of one video are not those of the next."""
    (tmp_path / "site.toml").write_text(
        'version = 1\nname = "site"\nsummary = "x"\n'
        '[[out_of_body.confirmed]]\nstart_frame = 0\nend_frame = 100\nwhere = "in_body"\n'
    )
    with pytest.raises(PolicyInvalid, match=r"out_of_body\.confirmed"):
        read_policy((tmp_path,), "site")


def test_every_shipped_policy_that_looks_for_it_waits_for_a_person() -> None:
    """V-05: uncertain intervals go to review."""
    policies = [read_policy((shipped("policies"),), name) for name in ("minimal", "faces", "full", "endoscopy")]
    looking = [p for p in policies if any(rule.role is Role.OUT_OF_BODY for rule in p.detect)]
    assert [p.name for p in looking] == ["endoscopy"]
    assert all(p.out_of_body.review == "uncertain" for p in looking)
