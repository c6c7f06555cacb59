"""The Service Bus stand-in's own parts: values survive the codec, queues keep their promises over time and restarts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.servers.servicebus.codec import (
    Array,
    Described,
    Int,
    Long,
    Malformed,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    decode,
    encode,
)
from tests.servers.servicebus.message import DATA, Content, read, section
from tests.servers.servicebus.store import DEAD, QueueRules, Store

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 255).map(UByte),
    st.integers(0, 2**16 - 1).map(UShort),
    st.integers(0, 2**32 - 1).map(UInt),
    st.integers(0, 2**64 - 1).map(ULong),
    st.integers(-(2**31), 2**31 - 1).map(Int),
    st.integers(-(2**63), 2**63 - 1).map(Long),
    st.integers(-(2**63), 2**63 - 1).map(Timestamp),
    st.floats(allow_nan=False),
    st.uuids(),
    st.binary(max_size=300),
    st.text(max_size=300),
    st.text(alphabet="abc:-.$", max_size=300).map(Symbol),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.text(max_size=9), inner, max_size=6),
        st.builds(Described, st.integers(0, 255).map(ULong), inner),
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_a_value_comes_back_with_its_type(value: object) -> None:
    encoded = encode(value)
    back, end = decode(b"xx" + encoded + b"yy", 2)
    assert (back, end - 2) == (value, len(encoded))
    assert type(back) is type(value)
    assert encode(back) == encoded


@given(_VALUES, st.data())
def test_a_value_cut_short_is_malformed_and_nothing_else(value: object, data: st.DataObject) -> None:
    encoded = encode(value)
    with pytest.raises(Malformed):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


def test_arrays_of_tokens_and_numbers_are_read() -> None:
    tokens = (uuid.uuid4(), uuid.uuid4())
    assert decode(encode(Array("uuid", tokens)))[0] == list(tokens)
    assert decode(encode(Array("long", (1, -1))))[0] == [1, -1]
    assert decode(encode(Array("symbol", ("a", "bc"))))[0] == ["a", "bc"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    store = _opened(tmp_path, clock)
    store.declare("mask", QueueRules(lock_seconds=10.0, max_deliveries=2, duplicate_seconds=60.0))
    yield store
    store.close()


def _opened(folder: Path, clock: FakeClock) -> Store:
    return Store(folder / "bus.sqlite3", lambda: int(clock.now().timestamp() * 1000))


def _message(text: str = "x", **more: object) -> Content:
    return Content(body=read(section(DATA, text.encode())).body, **more)  # type: ignore[arg-type]


def test_a_lock_runs_out_with_the_clock_and_the_second_time_buries(store: Store, clock: FakeClock) -> None:
    store.put("mask", [_message()])
    late = store.take("mask", lock=True)
    assert late is not None
    assert store.take("mask", lock=True) is None
    clock.advance(9.0)
    assert store.renew([late.token]) is not None
    clock.advance(9.0)
    assert store.tick() == set()
    clock.advance(1.0)
    assert store.tick() == {"mask"}
    assert not store.complete(late.token)
    assert store.renew([late.token]) is None
    again = store.take("mask", lock=True)
    assert again is not None
    assert store.abandon(again.token)
    assert (store.counts("mask")["active"], store.counts("mask")["dead"]) == (0, 1)
    assert store.take("mask" + DEAD, lock=True) is not None


def test_what_was_accepted_is_there_after_a_restart_and_so_are_the_locks(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    store.put("mask", [_message("one"), _message("two")])
    taken = store.take("mask", lock=True)
    assert taken is not None
    other = _opened(tmp_path, clock)  # nothing was closed: as after a kill
    assert other.counts("mask") == {"active": 2, "locked": 1, "dead": 0, "deferred": 0, "scheduled": 0}
    assert other.complete(taken.token)
    other.close()
    assert store.counts("mask")["active"] == 1


def test_duplicates_are_dropped_within_their_window_only(store: Store, clock: FakeClock) -> None:
    first, second = (store.put("mask", [_message(message_id="same")]) for _ in range(2))
    assert (first[0] > 0, second) == (True, [0])
    clock.advance(60.0)
    assert store.put("mask", [_message(message_id="same")])[0] > first[0]


def test_a_scheduled_message_gets_a_new_number_when_it_is_due(store: Store, clock: FakeClock) -> None:
    due = int(clock.now().timestamp() * 1000) + 5000
    [number] = store.put("mask", [_message(scheduled_ms=due)])
    assert store.take("mask", lock=True) is None
    clock.advance(5.0)
    assert store.tick() == {"mask"}
    taken = store.take("mask", lock=True)
    assert taken is not None
    assert taken.number > number


def test_a_message_past_its_time_is_buried(store: Store, clock: FakeClock) -> None:
    store.put("mask", [_message(ttl_ms=1000)])
    clock.advance(1.0)
    assert store.take("mask", lock=True) is None
    assert store.counts("mask")["dead"] == 1
