"""V-16: each step that steps_around_the_engine.py lists is held by a test: without the step, that test fails."""

from __future__ import annotations

import pytest

from tests.faults.killing_mutants import judged
from tests.faults.mutants import Mutation
from tests.faults.steps_around_the_engine import STEPS

pytestmark = [pytest.mark.models, pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_test_fails_without_this_step(step: Mutation) -> None:
    """V-16: a step that nothing holds could be lost unseen."""
    assert judged(step).killed_by, f"nothing notices when this is taken out: {step}"
