"""How do all services run in one process: one lock, one thread per worker, media only in their child processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.audit.sealer import AuditSealer
from opendrape.bootstrap import Container
from opendrape.errors import TransientError
from opendrape.ledger.frame_cleaning import FrameCleaner
from opendrape.ledger.tidying import Tidier
from opendrape.ledger.worker import Caretaker, Worker
from opendrape.serving.threads import Runnable, Services
from opendrape.state_folder import empty_folder, sole_owner
from opendrape_ingest.composition import build_ingest, build_registration_intake, build_upload_intake
from opendrape_masker.composition import build_masker
from opendrape_masker.presence import Presence
from opendrape_uploader.composition import build_uploader


@contextmanager
def embedded(
    container: Container, *more: Runnable, notice: Callable[[str], None] = lambda _text: None
) -> Iterator[Services]:
    """All services, and ``more``, while the context lasts. ``notice`` is told of a new receipt key.

    ``ConfigurationError`` when another process serves this state folder.
    """
    with sole_owner(container.settings.state_dir):
        _sweep(container)
        sealer = _sealer(container)
        services = Services(container.catalogue, [*compose(container, notice), sealer, *more])
        services.start()
        try:
            yield services
        finally:
            services.stop()
            sealer.finish()
        _tidy(container)


def compose(container: Container, notice: Callable[[str], None] = lambda _text: None) -> list[Runnable]:
    """The caretakers and every service's workers, not yet running. Makes the receipt key on first use."""
    workers: list[Worker] = [
        *build_ingest(container),
        *build_masker(container),
        *build_uploader(container, notice=notice),
    ]
    caretaker = Caretaker(
        catalogue=container.catalogue,
        doorbell=container.doorbell,
        clock=container.clock,
        sweep_seconds=container.settings.work.sweep_seconds,
    )
    tidiers = [] if container.settings.work.keep_intermediate else [_tidier(container)]
    others = (FrameCleaner(container), Presence(container), build_upload_intake(container))
    return [caretaker, *tidiers, *others, build_registration_intake(container), *workers]


def _sealer(container: Container) -> AuditSealer:
    chosen = container.settings.audit
    return container.audit.sealer(
        container.metrics, seal_seconds=chosen.seal_seconds, anchor_seconds=chosen.anchor_seconds
    )


def _tidier(container: Container) -> Tidier:
    return Tidier(container.catalogue, container.work_blobs, every_seconds=container.settings.work.sweep_seconds)


def _sweep(container: Container) -> None:
    empty_folder(container.settings.scratch_dir)
    if container.settings.is_alone:
        _sweep_what_is_ours(container)
    _tidy(container)


def _sweep_what_is_ours(container: Container) -> None:
    """Never where others may work: they hold leases, write partial files, and store results before their rows."""
    container.catalogue.reclaim()
    for store in (container.work_blobs, container.destination_blobs):
        if isinstance(store, LocalBlobStore):
            store.sweep_partials()
    _tidier(container).sweep_orphans()


def _tidy(container: Container) -> None:
    """Only while no worker lives, or after: what cannot be removed now is removed at the next start."""
    if not container.settings.work.keep_intermediate:
        with suppress(TransientError):
            _tidier(container).tidy()
