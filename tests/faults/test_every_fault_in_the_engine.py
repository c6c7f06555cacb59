"""V-16: every function behind `opendrape mask`, one at a time: nothing unverified is published."""

from __future__ import annotations

import pytest

from tests.faults.campaign import Campaign
from tests.faults.judging import judge

pytestmark = [pytest.mark.models, pytest.mark.long, pytest.mark.timeout(3600)]
PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_no_fault_publishes_anything_unverified(part: int, campaign: Campaign) -> None:
    """V-16: generated from the calls of a journey; the first call, the last, and other kinds of errors for some."""
    judge(campaign, campaign.try_all(campaign.shard(campaign.in_the_engine(), part, PARTS)))


def test_no_fault_on_a_picture_publishes_anything_unverified(campaign: Campaign) -> None:
    """V-16: the same for what only still pictures need."""
    judge(campaign, campaign.try_all(campaign.on_a_picture()))
