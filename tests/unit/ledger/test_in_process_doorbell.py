"""A ring wakes who waits for its kind, and is not lost when nobody waits yet."""

from __future__ import annotations

import threading

from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.domain.work import WorkKind


def test_a_ring_before_the_wait_is_heard_once() -> None:
    bell = InProcessDoorbell()
    for _ in range(2):
        bell.ring(WorkKind.MASK, 7)
    assert bell.wait([WorkKind.MASK, WorkKind.ASSEMBLE], 0.0)
    assert not bell.wait([WorkKind.MASK], 0.0)


def test_a_ring_for_another_kind_is_kept_for_those_it_is_for() -> None:
    bell = InProcessDoorbell()
    bell.ring(WorkKind.PLAN, 1)
    assert not bell.wait([WorkKind.MASK], 0.0)
    assert bell.wait([WorkKind.PLAN], 0.0)


def test_two_items_wake_two_waiters() -> None:
    bell, answers = InProcessDoorbell(), []
    waiters = [threading.Thread(target=lambda: answers.append(bell.wait([WorkKind.MASK], 30.0))) for _ in range(2)]
    for waiter in waiters:
        waiter.start()
    for item in (1, 2):
        bell.ring(WorkKind.MASK, item)
    for waiter in waiters:
        waiter.join(30.0)
    assert answers == [True, True]


def test_unheard_rings_do_not_grow_for_ever() -> None:
    bell = InProcessDoorbell()
    for item in range(3000):
        bell.ring(WorkKind.MASK, item)
    heard = 0
    while bell.wait([WorkKind.MASK], 0.0):
        heard += 1
    assert 0 < heard < 3000
