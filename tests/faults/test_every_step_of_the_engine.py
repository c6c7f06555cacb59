"""V-16: each step that steps_of_the_engine.py lists is held by a test: without the step, that test fails."""

from __future__ import annotations

import pytest

from tests.faults import steps_of_stills, steps_of_the_engine
from tests.faults.killing_mutants import judged
from tests.faults.mutants import Mutation

STEPS = (*steps_of_the_engine.STEPS, *steps_of_stills.STEPS)
pytestmark = [pytest.mark.models, pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_test_fails_without_this_step(step: Mutation) -> None:
    """V-16: a step that nothing holds could be lost unseen."""
    assert judged(step).killed_by, f"nothing notices when this is taken out: {step}"
