"""Whether a campaign of faults found anything, told all at once."""

from __future__ import annotations

from tests.faults.campaign import Campaign, Tried

_SHARE_RAISED = 0.9  # the last call of a loop that waits may not come twice


def judge(campaign: Campaign, tried: Tried) -> None:
    """Every failure at once, and how often faults met their function."""
    print(f"seed {campaign.seed}: {tried}")
    assert not tried.failures, f"seed {campaign.seed}, {len(tried.failures)}:\n" + "\n".join(tried.failures)
    assert not tried.hung, tried.hung
    assert tried.happened >= _SHARE_RAISED * tried.cases
