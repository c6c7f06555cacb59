"""V-16: the table of steps follows the code, and taking a step out is noticed where it should be."""

from __future__ import annotations

import pytest

from tests.faults import steps_around_the_engine, steps_of_stills, steps_of_the_engine
from tests.faults.killing_mutants import ROOT
from tests.faults.mutants import DoesNotApply, Mutation

STEPS = (*steps_of_the_engine.STEPS, *steps_of_stills.STEPS, *steps_around_the_engine.STEPS)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_every_step_of_the_table_is_in_the_code(step: Mutation) -> None:
    """V-16: a renamed function or a changed line changes its row, too; its tests are there."""
    compile(step.source(), str(step), "exec")
    missing = [test for test in step.tests if not (ROOT / test).exists()]
    assert missing == []


def test_no_step_is_named_twice() -> None:
    """V-16: a survivor is told by its name."""
    assert len({str(step) for step in STEPS}) == len(STEPS)


def test_a_step_that_is_not_there_cannot_be_taken_out() -> None:
    """V-16: a row that changes nothing would be a survivor for no reason, or worse, killed for no reason."""
    for gone in (
        Mutation("gone", "opendrape.media.limits", "MediaLimits.check_nothing", (), gives="None"),
        Mutation("gone", "opendrape.media.limits", "MediaLimits.check_frames", (), without="if nothing"),
        Mutation("gone", "opendrape.media.no_such_module", "x", (), gives="None"),
    ):
        with pytest.raises(DoesNotApply):
            gone.source()
