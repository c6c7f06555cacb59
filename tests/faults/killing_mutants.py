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
from pathlib import Path

from tests.faults.mutants import Mutation

ROOT = Path(__file__).resolve().parents[2]
_LIMIT_SECONDS = 900
_SOME_TEST_FAILED, _NO_TEST_RAN = 1, 5
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_OPTIONS = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=120", "-m", "not long")


@dataclass(frozen=True)
class Verdict:
    """The test that noticed, None when none did; and how long that took."""

    killed_by: str | None
    seconds: float


class MutantDoesNotRun(AssertionError):
    """Not a test failed but the test run itself: the mutation says nothing."""


def judged(mutation: Mutation) -> Verdict:
    """Run the mutation's tests, one file after the other, until one fails."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        site = mutation.write_site(Path(folder) / "site")
        killer = next(filter(None, (_first_failure(test, site) for test in mutation.tests)), None)
    return Verdict(killer, time.monotonic() - started)


def _first_failure(test: str, site: Path) -> str | None:
    places = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, test],
            cwd=ROOT,
            env=kept | {"PYTHONPATH": os.pathsep.join(places)},
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{test} (never ends)"
    if done.returncode == 0:
        return None
    if done.returncode != _SOME_TEST_FAILED and "Timeout" not in done.stdout + done.stderr:
        raise MutantDoesNotRun(done.stdout[-2000:] + done.stderr[-2000:])
    found = _FAILURE.search(done.stdout)
    return found.group(1).rpartition("/")[2] if found else f"{test} (never ends)"


def table(mutations: Iterable[Mutation]) -> Iterable[str]:
    """Lines of Markdown, as each is known."""
    for mutation in mutations:
        verdict = judged(mutation)
        where = f"`{mutation.module.rpartition('.')[2]}.{mutation.function}`".replace(".`", "`")
        yield f"| {mutation.step} | {where} | {verdict.killed_by or '**nobody**'} |"


def main(names: Sequence[str]) -> None:
    """Print the table of all steps, or of those whose name contains one of ``names``."""
    from tests.faults import steps_around_the_engine, steps_of_the_engine

    steps = (*steps_of_the_engine.STEPS, *steps_around_the_engine.STEPS)
    for line in table(step for step in steps if not names or any(name in step.step for name in names)):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
