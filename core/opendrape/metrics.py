"""What is measured: typed metrics on an own registry, every label from a bounded set (H-07, P-05).

What a worker counts lives in its process and is lost with it; what must not be lost (queue depth and age, asset states)
is read from the catalogue when somebody scrapes, so that short-lived pods lose nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from opendrape.domain.policy import Role
from opendrape.domain.reasons import REASONS
from opendrape.domain.regions import MaskReport
from opendrape.domain.states import WORK_TERMINAL, AssetState, WorkState
from opendrape.domain.work import Assembled, ChunkMasked, Delivered, Lease, Outcome, WorkKind
from opendrape.errors import FidelityBroken, OpenDrapeError, ResidualFound, ScrubIncomplete

OTHER: Final = "other"
_NONE: Final = "none"
_KINDS: Final = frozenset(WorkKind)
_ROLES: Final = frozenset(Role)
_STATES: Final = frozenset(AssetState)
_ENDINGS: Final = frozenset(WORK_TERMINAL)
_OUTCOMES: Final = frozenset({"done", "fail", "retry", "quarantine", "abandon"})
_CHECKS: Final = frozenset({"fidelity", "residual", "scrub", "delivery"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STORES: Final = frozenset({"state", "destination"})
_WORK_SECONDS: Final = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600)
_HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FAILED_CHECK: Final = {FidelityBroken: "fidelity", ScrubIncomplete: "scrub", ResidualFound: "residual"}
_FAILED_DELIVERY: Final = "read_back_differs"


class CatalogueFigures(Protocol):
    """The figures that are read at scrape time; every ``Catalogue`` has them."""

    def count_assets(self) -> dict[AssetState, int]: ...

    def queue_depth(self) -> dict[WorkKind, int]: ...

    def oldest_due_seconds(self) -> dict[WorkKind, float]: ...

    def outcomes(self) -> dict[tuple[WorkKind, WorkState, str | None], int]: ...


class Metrics:
    """Every metric of one process. Nothing is registered globally; two objects never share a number."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.work_items = self._counter("work_items", "Ended attempts", "kind", "outcome", "reason")
        self.work_seconds = self._histogram("work_seconds", "Length of an attempt", _WORK_SECONDS, "kind")
        self.frames = self._counter("frames", "Frames written by finished chunks")
        self.frames_masked = self._counter("frames_masked", "Frames with at least one mask")
        self.detections = self._counter("detections", "Detections kept", "role")
        self.verifications = self._counter("verifications", "Checks on written bytes", "check", "result")
        self.bytes_published = self._counter("bytes_published", "Verified bytes at the destination")
        self.http_requests = self._counter("http_requests", "Answered requests", "method", "route", "status")
        self.http_seconds = self._histogram("http_request_seconds", "Time to answer", _HTTP_SECONDS, "route")
        self.sign_ins = self._counter("sign_ins", "Sign-ins at the HTTP door", "outcome")
        self.audit_sealed = self._gauge("audit_sealed_position", "Position of the newest sealed event of the audit")
        self.audit_broken = self._gauge("audit_broken", "1: the chain of the audit does not fit its anchor")
        self.dependency_up = Gauge("opendrape_dependency_up", "1: answers", ["dependency"], registry=self.registry)
        self._routes: frozenset[str] = frozenset()
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"opendrape_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"opendrape_{name}", text, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"opendrape_{name}", text, labels, buckets=buckets, registry=self.registry)

    # -- work -----------------------------------------------------------------------------------------------------
    def work_ended(self, kind: WorkKind, *, seconds: float, outcome: str, reason: str | None = None) -> None:
        """Count one attempt. ``outcome`` is ``done`` or a disposition; an unknown reason counts as ``other``."""
        known = bounded(reason, REASONS) if reason else _NONE
        self.work_items.labels(bounded(kind, _KINDS), bounded(outcome, _OUTCOMES), known).inc()
        self.work_seconds.labels(bounded(kind, _KINDS)).observe(seconds)

    def count_outcome(self, outcome: Outcome) -> None:
        """Count what a finished item produced. Only chunks count frames: the assembled report is their sum."""
        if isinstance(outcome, ChunkMasked):
            self._count_chunk(outcome.report)
        elif isinstance(outcome, Assembled):
            self.verified("scrub", passed=True)
        elif isinstance(outcome, Delivered):
            self.bytes_published.inc(outcome.published.size_bytes)
            self.verified("delivery", passed=True)

    def _count_chunk(self, report: MaskReport) -> None:
        self.frames.inc(report.frames)
        self.frames_masked.inc(report.masked_frames)
        for role, number in report.detections.items():
            self.detections.labels(bounded(role, _ROLES)).inc(number)
        self.verified("fidelity", passed=True)
        if report.checks.residual_frames_examined:
            self.verified("residual", passed=not report.checks.residual_findings)

    def verified(self, check: str, *, passed: bool) -> None:
        """Count one check on written bytes: fidelity, residual, scrub or delivery."""
        self.verifications.labels(bounded(check, _CHECKS), "passed" if passed else "failed").inc()

    # -- access ---------------------------------------------------------------------------------------------------
    def signed_in(self, outcome: str) -> None:
        """Count one sign-in: ``ok``, or the reason of the refusal."""
        self.sign_ins.labels(outcome if outcome == "ok" else bounded(outcome, REASONS)).inc()

    # -- HTTP -----------------------------------------------------------------------------------------------------
    def know_routes(self, templates: Collection[str]) -> None:
        """Say which route templates are labels; any other counts as ``other``."""
        self._routes = frozenset(templates)

    def request_answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request under its route template, never under its path."""
        template = bounded(route, self._routes)
        code = str(status) if 100 <= status <= 599 else OTHER
        self.http_requests.labels(bounded(method, _METHODS), template, code).inc()
        self.http_seconds.labels(template).observe(seconds)

    # -- read at scrape time --------------------------------------------------------------------------------------
    def watch_catalogue(self, figures: CatalogueFigures) -> None:
        """Export queue depth, age of the oldest due item, asset states and ended items, read at each scrape."""
        self.registry.register(_AtScrape(lambda: _catalogue_families(figures)))

    def watch_storage(self, stores: Mapping[str, Path]) -> None:
        """Export free bytes of the medium below each folder; ``stores`` has the keys ``state`` and ``destination``."""
        self.registry.register(_AtScrape(lambda: _storage_families(stores)))

    def watch_dropped_log_fields(self, dropped: Callable[[], int]) -> None:
        """Export how many log fields were refused (see ``opendrape.logging.dropped_fields``)."""
        text = "Log fields refused by the allow-list"
        name = "opendrape_log_fields_dropped"
        self.registry.register(_AtScrape(lambda: iter([CounterMetricFamily(name, text, value=dropped())])))


class Progress(Protocol):
    """``opendrape.ledger.worker.Progress``."""

    def __call__(self, fraction: float) -> None: ...


class Handler(Protocol):
    """The part of ``opendrape.ledger.worker.Handler`` that is measured."""

    @property
    def kinds(self) -> frozenset[WorkKind]: ...

    def handle(self, lease: Lease, progress: Progress) -> Outcome: ...


class MeteredHandler:
    """A handler that behaves like the one inside and counts every attempt, its time and its outcome."""

    def __init__(self, inside: Handler, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self.kinds = inside.kinds
        self._inside, self._metrics, self._monotonic = inside, metrics, monotonic

    def handle(self, lease: Lease, progress: Progress) -> Outcome:
        """Work on the item; every error is counted and raised again."""
        start = self._monotonic()
        try:
            outcome = self._inside.handle(lease, progress)
        except OpenDrapeError as error:
            self._failed(lease.kind, start, str(error.disposition), error.reason)
            self._count_failed_check(error)
            raise
        except Exception:
            self._failed(lease.kind, start, "retry", "unexpected")
            raise
        self._metrics.work_ended(lease.kind, seconds=self._monotonic() - start, outcome="done")
        self._metrics.count_outcome(outcome)
        return outcome

    def _failed(self, kind: WorkKind, start: float, outcome: str, reason: str) -> None:
        self._metrics.work_ended(kind, seconds=self._monotonic() - start, outcome=outcome, reason=reason)

    def _count_failed_check(self, error: OpenDrapeError) -> None:
        check = next((name for kind, name in _FAILED_CHECK.items() if isinstance(error, kind)), None)
        if error.reason == _FAILED_DELIVERY:
            check = "delivery"
        if check is not None:
            self._metrics.verified(check, passed=False)


def render(metrics: Metrics) -> tuple[bytes, str]:
    """Every metric in Prometheus text format, with its content type."""
    return generate_latest(metrics.registry), CONTENT_TYPE_LATEST


def bounded(value: str, allowed: Collection[str]) -> str:
    """``value`` when it is one of ``allowed``, else ``other``: no label ever carries free text."""
    return str(value) if value in allowed else OTHER


class _AtScrape:
    """A collector that asks when it is scraped and says nothing when it is registered."""

    def __init__(self, ask: Callable[[], Iterator[Metric]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[Metric]:
        return self._ask()

    def describe(self) -> list[Metric]:
        return []


def _catalogue_families(figures: CatalogueFigures) -> Iterator[Metric]:
    depth = GaugeMetricFamily("opendrape_queue_depth", "Items that wait or run", labels=["kind"])
    age = GaugeMetricFamily("opendrape_queue_oldest_seconds", "Age of the oldest due item", labels=["kind"])
    states = GaugeMetricFamily("opendrape_assets", "Assets by state", labels=["state"])
    ended = CounterMetricFamily(
        "opendrape_ended_items", "Ended items, of every process there ever was", labels=["kind", "state", "reason"]
    )
    up = GaugeMetricFamily("opendrape_catalogue_up", "1: the figures of this scrape are complete")
    try:
        for family, numbers in ((depth, figures.queue_depth()), (age, figures.oldest_due_seconds())):
            for kind, number in numbers.items():
                family.add_metric([bounded(kind, _KINDS)], number)
        for state, count in figures.count_assets().items():
            states.add_metric([bounded(state, _STATES)], count)
        for labels, count in _outcomes(figures).items():
            ended.add_metric(labels, count)
    except OpenDrapeError:
        # absent figures, not zeros: a queue that cannot be read is not an empty queue
        up.add_metric([], 0)
        yield up
        return
    up.add_metric([], 1)
    yield from (depth, age, states, ended, up)


def _outcomes(figures: CatalogueFigures) -> dict[tuple[str, str, str], int]:
    """Ended items by bounded labels; reasons of another version are added up."""
    counted: dict[tuple[str, str, str], int] = {}
    for (kind, state, reason), count in figures.outcomes().items():
        known = bounded(reason, REASONS) if reason else _NONE
        labels = (bounded(kind, _KINDS), bounded(state, _ENDINGS), known)
        counted[labels] = counted.get(labels, 0) + count
    return counted


def _storage_families(stores: Mapping[str, Path]) -> Iterator[Metric]:
    free = GaugeMetricFamily("opendrape_storage_free_bytes", "Free bytes", labels=["store"])
    for store, folder in stores.items():
        try:
            free.add_metric([bounded(store, _STORES)], shutil.disk_usage(_nearest(folder)).free)
        except OSError:
            continue  # absent, not zero
    yield free


def _nearest(folder: Path) -> Path:
    """The folder or its nearest existing parent: the destination may not exist before the first delivery."""
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.exists()), folder)
