"""O-03: a storm can be had again: its seed alone says which faults strike, in which order, and what each one picks."""

from __future__ import annotations

import random
from itertools import islice

from tests.nemesis.faults import Fault, Nemesis, Undo, plan

SEED = 20


def _fault(name: str, *, draws: int = 0) -> Fault:
    def strike(chance: random.Random) -> Undo:
        for _ in range(draws):
            chance.random()
        return lambda: None

    return Fault(name, strike, (0.0, 2.0))


FAULTS = [_fault(name) for name in ("kill", "freeze", "cut", "full", "flip")]


def _told(faults: list[Fault], seed: int, count: int = 40) -> list[tuple[int, str, float, float, float]]:
    strikes = islice(plan(faults, seed), count)
    return [(one.number, one.fault.name, one.seconds, one.pause, one.chance.random()) for one in strikes]


def test_the_same_seed_gives_the_same_plan() -> None:
    assert _told(FAULTS, SEED) == _told(FAULTS, SEED)


def test_another_seed_gives_another_plan() -> None:
    assert _told(FAULTS, SEED) != _told(FAULTS, SEED + 1)


def test_what_a_strike_finds_does_not_change_the_next() -> None:
    """A fault that draws more often, because there was more to choose from, leaves the rest of the plan as it is."""
    greedy = [_fault(fault.name, draws=number) for number, fault in enumerate(FAULTS)]
    told = []
    for strike in islice(plan(greedy, SEED), 40):
        strike.fault.strike(strike.chance)
        told.append((strike.number, strike.fault.name, strike.seconds, strike.pause))
    assert told == [one[:4] for one in _told(FAULTS, SEED)]


def test_every_fault_comes_before_one_comes_again() -> None:
    names = [fault.name for fault in FAULTS]
    for start in range(0, 40, len(FAULTS)):
        assert sorted(one[1] for one in _told(FAULTS, SEED)[start : start + len(FAULTS)]) == sorted(names)


def test_what_was_broken_is_mended_before_the_next_strike() -> None:
    broken: list[str] = []
    seen: list[list[str]] = []

    def strike(_chance: random.Random) -> Undo:
        seen.append(list(broken))
        broken.append("it")
        return broken.clear

    Nemesis(plan([Fault("break", strike)], SEED)).rage(0.3)
    assert seen
    assert all(before == [] for before in seen)
    assert broken == []
