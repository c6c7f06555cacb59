"""Which faults are tried: every function that some journey calls, at its first and last call, all kinds of errors."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tests.faults.calls import Key
from tests.faults.journeys import MASK, MASK_REAL, PICTURE, RUN, RUN_REAL, TWO_PASSES, Baseline, Case, Journey, Place
from tests.faults.stage import Stage
from tests.faults.verdicts import assert_clean, assert_safe
from tests.faults.zygote import Ended

OTHER_KINDS = ("memory", "disk_full", "end_of_file", "key", "value")
_MASKS = {".mp4": "opendrape_masker.chunk_child", ".jpg": "opendrape_masker.stills.still_child"}
_SHARE_WITH_ANOTHER_KIND = 0.35
_PLACES_BEFORE_A_CLEAN_RUN = 6


@dataclass
class Campaign:
    """Baselines, recorded when first needed, and the cases that follow from them."""

    stage: Stage
    seed: int
    _baselines: dict[str, Baseline] = field(default_factory=dict)

    def baseline(self, journey: Journey) -> Baseline:
        """What the journey gives undisturbed."""
        if journey.name not in self._baselines:
            self._baselines[journey.name] = self.stage.baseline(journey)
        return self._baselines[journey.name]

    def in_the_engine(self) -> list[Case]:
        """Functions that ``opendrape mask`` calls, its children's too, all in one process."""
        first, second = self.baseline(MASK).calls, self.baseline(TWO_PASSES).calls
        more = {key: count for key, count in second.items() if key not in first}
        return [*self._cases(MASK, first), *self._cases(TWO_PASSES, more)]

    def on_a_picture(self) -> list[Case]:
        """Functions that only a still picture needs."""
        known = self.baseline(MASK).calls
        return self._cases(PICTURE, _without(self.baseline(PICTURE).calls, known))

    def around_the_engine(self) -> list[Case]:
        """Functions that only ``opendrape run`` calls: scanning, ledger, key map, delivery."""
        known = self.baseline(MASK).calls
        return self._cases(RUN, {key: n for key, n in self.baseline(RUN).calls.items() if key not in known})

    def at_the_border(self) -> list[Case]:
        """Functions that need real processes: how children are started, watched and walled in."""
        known = self.baseline(MASK).calls.keys() | self.baseline(RUN).calls.keys()
        found = []
        for journey in (MASK_REAL, RUN_REAL):
            baseline = self.baseline(journey)
            found += self._cases(journey, _without(baseline.calls, known))
            for child, calls in baseline.in_children.items():
                found += self._cases(journey, _without(calls, known), child)
            known |= baseline.calls.keys()
        return found

    def shard(self, cases: Sequence[Case], number: int, of: int) -> list[Case]:
        """One part of all cases."""
        return [case for place, case in enumerate(cases) if place % of == number]

    def in_real_children(self) -> list[Case]:
        """The engine's functions again, in the process where they really run."""
        calls = self.baseline(MASK_REAL).in_children
        return [case for child, counted in calls.items() for case in self._cases(MASK_REAL, counted, child)]

    def sample(self, cases: Sequence[Case], count: int) -> list[Case]:
        """A seeded choice, each function at most once."""
        chance = random.Random(self.seed)
        by_key: dict[Key, list[Case]] = {}
        for case in cases:
            by_key.setdefault(case.key, []).append(case)
        keys = chance.sample(sorted(by_key), min(count, len(by_key)))
        return [chance.choice(by_key[key]) for key in keys]

    def try_all(self, cases: Iterable[Case]) -> Tried:
        """Try every case, and a clean run after it; after the engine's, which leave no state, after every few."""
        tried = Tried()
        for group in _groups(cases):
            self._try_group(group, tried)
        return tried

    def _try_group(self, group: Sequence[Case], tried: Tried) -> None:
        place, journey = self.stage.fresh(), group[0].journey
        baseline = self.baseline(journey)
        try:
            for case in group:
                case, ended = self._as_it_would_end(case, place)
                tried.count(case, happened=ended.happened, code=ended.code)
                assert_safe(ended, place, baseline, case)
                if case is not group[-1]:
                    self.stage.tidy(place)
            assert_clean(self.stage.clean(journey, place), place, clip=self.stage.clip, baseline=baseline)
        except AssertionError as error:
            tried.failures.append("; ".join(map(str, group)) + f"\n    {error}")
        self.stage.forget(place)

    def _as_it_would_end(self, case: Case, place: Place) -> tuple[Case, Ended]:
        """A journey that hangs where its children work in one process is tried with real ones: silence ends those."""
        ended = self.stage.disturbed(case, place)
        if ended.code is not None or not case.journey.children_here:
            return case, ended
        self.stage.tidy(place)
        real = replace(case, journey=replace(case.journey, children_here=False), child=_MASKS[case.journey.ending])
        return real, self.stage.disturbed(real, place)

    def _cases(self, journey: Journey, calls: dict[Key, int], child: str | None = None) -> list[Case]:
        chance = random.Random(self.seed)
        found = []
        for key, count in sorted(calls.items()):
            found += [Case(journey, key, at, child=child) for at in sorted({1, count})]
            if chance.random() < _SHARE_WITH_ANOTHER_KIND:
                found.append(Case(journey, key, chance.randint(1, count), chance.choice(OTHER_KINDS), child))
        return found


@dataclass
class Tried:
    """What came of a campaign."""

    cases: int = 0
    happened: int = 0
    harmless: int = 0
    hung: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def count(self, case: Case, *, happened: bool, code: int | None) -> None:
        """One more; ``code`` None: it had to be killed."""
        self.cases += 1
        self.happened += happened
        self.harmless += happened and code == 0
        if code is None:
            self.hung.append(str(case))

    def __str__(self) -> str:
        return f"{self.cases} faults, {self.happened} raised, {self.harmless} harmless, {len(self.hung)} hung"


def _without(calls: dict[Key, int], known: Iterable[Key]) -> dict[Key, int]:
    left = set(known)
    return {key: count for key, count in calls.items() if key not in left}


def _groups(cases: Iterable[Case]) -> Iterator[list[Case]]:
    group: list[Case] = []
    for case in cases:
        can_share = case.journey in (MASK, TWO_PASSES, PICTURE) and (not group or group[0].journey == case.journey)
        if group and (not can_share or len(group) == _PLACES_BEFORE_A_CLEAN_RUN):
            yield group
            group = []
        group.append(case)
    if group:
        yield group
