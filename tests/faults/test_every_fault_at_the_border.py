"""V-16: every function of real children, how they are started, watched and walled in: nothing unverified comes out."""

from __future__ import annotations

import pytest

from tests.faults.campaign import Campaign
from tests.faults.judging import judge

pytestmark = [pytest.mark.models, pytest.mark.long, pytest.mark.timeout(3600)]
PARTS = 2


@pytest.mark.parametrize("part", range(PARTS))
def test_no_fault_publishes_anything_unverified(part: int, campaign: Campaign) -> None:
    """V-16: generated from the calls of a journey; the first call, the last, and other kinds of errors for some."""
    judge(campaign, campaign.try_all(campaign.shard(campaign.at_the_border(), part, PARTS)))
