"""Is this service well: asks every dependency, each with a deadline, and remembers the answer for about a second.

Knows nothing of HTTP, so that every service can answer the same way (H-07).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from opendrape.domain.reasons import REASONS
from opendrape.errors import OpenDrapeError
from opendrape.logging import get_log

Check = Callable[[], None]
"""Really asks a dependency; returns when it is well, raises when not."""

_log = get_log("health")


@dataclass(frozen=True, slots=True)
class DependencyHealth:
    """One dependency's answer; ``reason`` is a slug of ``opendrape.domain.reasons`` or ``other``, None when well."""

    name: str
    well: bool
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Every dependency's answer."""

    dependencies: tuple[DependencyHealth, ...]

    @property
    def ready(self) -> bool:
        """True when every dependency is well."""
        return all(dependency.well for dependency in self.dependencies)


class HealthMonitor:
    """Asks all checks at once, at most once per ``fresh_seconds``; a check that hangs is never started twice.

    ``monotonic`` counts seconds. Safe to call from many threads: callers that come while the checks run wait for the
    same answer.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        monotonic: Callable[[], float],
        fresh_seconds: float = 1.0,
        deadline_seconds: float = 3.0,
    ) -> None:
        self._questions = tuple(_Question(name, check, monotonic) for name, check in checks.items())
        self._monotonic, self._fresh_seconds, self._deadline_seconds = monotonic, fresh_seconds, deadline_seconds
        self._lock = threading.Lock()
        self._last: tuple[float, HealthReport] | None = None

    def report(self) -> HealthReport:
        """The present health, at most ``fresh_seconds`` old. Blocks for ``deadline_seconds`` at the longest."""
        with self._lock:
            now = self._monotonic()
            if self._last is None or now - self._last[0] >= self._fresh_seconds:
                self._last = (now, self._ask())
            return self._last[1]

    def _ask(self) -> HealthReport:
        answers = [question.ask() for question in self._questions]
        wait(answers, timeout=self._deadline_seconds)
        report = HealthReport(tuple(map(self._answer, self._questions, answers)))
        self._log_changes(report.dependencies)
        return report

    def _answer(self, question: _Question, answer: Future[DependencyHealth]) -> DependencyHealth:
        if answer.done():
            return answer.result()
        return DependencyHealth(question.name, well=False, reason="timed_out", seconds=self._deadline_seconds)

    def _log_changes(self, now: Sequence[DependencyHealth]) -> None:
        before = {one.name: one.well for one in self._last[1].dependencies} if self._last else {}
        for one in now:
            if before.get(one.name, True) != one.well:
                _log.warning(
                    "dependency_changed", dependency=one.name, state="well" if one.well else "unwell", reason=one.reason
                )


class _Question:
    """One check and the thread that is busy with it, if any."""

    def __init__(self, name: str, check: Check, monotonic: Callable[[], float]) -> None:
        self.name, self._check, self._monotonic = name, check, monotonic
        self._pending: Future[DependencyHealth] | None = None

    def ask(self) -> Future[DependencyHealth]:
        if self._pending is None or self._pending.done():
            self._pending = Future()
            # a daemon: a check that hangs must not keep the process from ending
            threading.Thread(target=self._run, args=(self._pending,), name=f"health-{self.name}", daemon=True).start()
        return self._pending

    def _run(self, answer: Future[DependencyHealth]) -> None:
        start = self._monotonic()
        reason = _reason_of(self._check)
        answer.set_result(DependencyHealth(self.name, reason is None, reason, self._monotonic() - start))


def _reason_of(check: Check) -> str | None:
    try:
        check()
    except OpenDrapeError as error:
        return error.reason if error.reason in REASONS else "other"
    except Exception:  # noqa: BLE001 - the edge of a check: logged and told as unwell
        _log.exception("check_failed_unexpectedly")
        return "unexpected"
    return None
