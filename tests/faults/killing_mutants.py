"""Which test fails when one step is taken out: the tests run on the mutated code, in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.faults.mutants import Mutation

ROOT = Path(__file__).resolve().parents[2]
_LIMIT_SECONDS = 900
_SOME_TEST_FAILED = 1
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
_OPTIONS = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=120", "-m", "not long")


@dataclass(frozen=True)
class Verdict:
    """The test that noticed, None when none did; and how long that took."""

    killed_by: str | None
    seconds: float


class MutantDoesNotRun(AssertionError):
    """Not a test failed but the test run itself: the mutation says nothing."""


def judged(mutation: Mutation) -> Verdict:
    """Run the mutation's tests, one file after the other, until one fails that does not fail on the real code."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        site = mutation.write_site(Path(folder) / "site")
        killer = next(filter(None, (_first_failure(test, site) for test in mutation.tests)), None)
    if killer and not _passes_as_it_is(killer.partition("[")[0]):
        raise MutantDoesNotRun(f"{killer} fails on the real code, too")
    return Verdict(killer, time.monotonic() - started)


@lru_cache(maxsize=1000)
def _passes_as_it_is(test: str) -> bool:
    return _first_failure(test, None) is None


def _first_failure(test: str, site: Path | None) -> str | None:
    places = [str(site) if site else None, os.environ.get("PYTHONPATH")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, test],
            cwd=ROOT,
            env=kept | {"PYTHONPATH": os.pathsep.join(filter(None, places))},
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return test
    if done.returncode == 0:
        return None
    if done.returncode != _SOME_TEST_FAILED and "Timeout" not in done.stdout + done.stderr:
        raise MutantDoesNotRun(done.stdout[-2000:] + done.stderr[-2000:])
    found = _FAILURE.search(done.stdout)
    return found.group(1) if found else test  # one that never ended says nothing of itself


def table(mutations: Iterable[Mutation]) -> Iterable[str]:
    """Lines of Markdown, as each is known."""
    for mutation in mutations:
        try:
            killer = _short(judged(mutation).killed_by)
        except MutantDoesNotRun:
            killer = "not known: its test fails on the real code, too"
        where = f"`{mutation.module.rpartition('.')[2]}.{mutation.function}`".replace(".`", "`")
        yield f"| {mutation.step} | {where} | {killer} |"


def _short(killer: str | None) -> str:
    return f"`{killer.rpartition('/')[2].partition('[')[0]}`" if killer else "**nobody**"


def main(names: Sequence[str]) -> None:
    """Print the table of all steps, or of those whose name contains one of ``names``."""
    from tests.faults import steps_around_the_engine, steps_of_the_engine

    steps = (*steps_of_the_engine.STEPS, *steps_around_the_engine.STEPS)
    for line in table(step for step in steps if not names or any(name in step.step for name in names)):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
