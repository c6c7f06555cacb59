"""V-16: any exception, at any level, in any step: nothing is published that is not complete and verified."""

from __future__ import annotations

import pytest

from tests.faults.campaign import Campaign
from tests.faults.judging import judge

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]


def test_a_fault_in_the_engine_publishes_nothing(campaign: Campaign) -> None:
    """V-16: a sample of the functions behind `opendrape mask`."""
    judge(campaign, campaign.try_all(campaign.sample(campaign.in_the_engine(), 24)))


def test_a_fault_on_a_picture_publishes_nothing(campaign: Campaign) -> None:
    """V-16: a sample of the functions that only still pictures need."""
    judge(campaign, campaign.try_all(campaign.sample(campaign.on_a_picture(), 8)))


def test_a_fault_around_the_engine_publishes_nothing(campaign: Campaign) -> None:
    """V-16, O-03: a sample of the functions behind `opendrape run`."""
    judge(campaign, campaign.try_all(campaign.sample(campaign.around_the_engine(), 14)))


def test_a_fault_in_a_real_child_publishes_nothing(campaign: Campaign) -> None:
    """V-16: a sample, with processes behind walls as in production."""
    cases = [*campaign.sample(campaign.at_the_border(), 2), *campaign.sample(campaign.in_real_children(), 1)]
    judge(campaign, campaign.try_all(cases))
