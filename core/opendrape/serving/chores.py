"""Which chores a process of the cluster takes part in, and who chooses the one that does each: Redis, or nobody."""

from __future__ import annotations

from opendrape.adapters.arq_chores import ArqChores
from opendrape.adapters.thread_chores import ThreadChores
from opendrape.bootstrap import Container
from opendrape.ledger.caretaker import relay_rings
from opendrape.ledger.frame_cleaning import clean_expired
from opendrape.ledger.tidying import Tidier
from opendrape.ports.chores import ChoreBook, Chores

_RELAY_SECONDS, _HOUR = 1.0, 3600.0


def chore_book(container: Container) -> ChoreBook:
    """Everything that is done again and again; a new chore is one more line here."""
    book, settings, catalogue = ChoreBook(), container.settings, container.catalogue
    tidier = Tidier(catalogue, container.work_blobs, every_seconds=settings.work.sweep_seconds)
    book.add("sweep_ledger", every_seconds=settings.work.sweep_seconds, act=catalogue.sweep)
    book.add("relay_outbox", every_seconds=_RELAY_SECONDS, act=lambda: relay_rings(catalogue, container.doorbell))
    book.add("clean_expired", every_seconds=settings.frames.cleanup_hours * 3600, act=lambda: clean_expired(container))
    book.add("forget_replays", every_seconds=_HOUR, act=container.door.replays.forget_expired)
    book.add("forget_buckets", every_seconds=_HOUR, act=lambda: container.door.buckets.forget_full(idle_seconds=_HOUR))
    if not settings.work.keep_intermediate:
        book.add("tidy_intermediates", every_seconds=settings.work.sweep_seconds, act=tidier.tidy)
    return book


def chores_of(container: Container) -> Chores:
    """With Redis one process does each chore at each time, without it every process that takes care does all."""
    url = container.settings.redis.url
    if url.get_secret_value():
        return ArqChores(chore_book(container), url, container.clock)
    return ThreadChores(chore_book(container), container.clock)
