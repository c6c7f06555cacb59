"""H-05: what every store of API keys does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from opendrape.domain.access import ApiKey, Role, Scope
from opendrape.domain.audit import AuditEvent
from opendrape.errors import CatalogueUnavailable, IllegalTransition, NotFound
from opendrape.ports.access import AccessStore, StoredKey
from tests.fakes.clock import FakeClock


@dataclass(frozen=True)
class Store:
    """A store, and a look at the audit beside it."""

    access: AccessStore
    events: Callable[[str], list[AuditEvent]]


def stored(clock: FakeClock, number: int, *, client: str = "client-0000000000000001", days: float = 10) -> StoredKey:
    key = ApiKey(
        key_id=f"{number:012x}",
        client=client,
        label="pacs",
        roles=frozenset({Role.SERVICE, Role.USER}),
        scopes=frozenset({Scope.READ}),
        created_at=clock.now(),
        expires_at=clock.now() + timedelta(days=days),
    )
    return StoredKey(key, f"{number:064x}")


class AccessContract:
    """Subclasses bring the fixture ``store``."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    def test_a_key_comes_back_as_it_was_kept(self, store: Store, clock: FakeClock) -> None:
        """H-05: roles, scopes, times and the digest of its secret."""
        new = stored(clock, 1)
        assert not store.access.has_keys()
        store.access.add_key(new, actor="test")
        assert store.access.find_key(new.key.key_id) == new
        assert store.access.has_keys()
        assert store.access.find_key("f" * 12) is None

    def test_a_name_is_given_once(self, store: Store, clock: FakeClock) -> None:
        """H-05: a second key of the same name does not replace the first."""
        store.access.add_key(stored(clock, 1), actor="test")
        with pytest.raises(CatalogueUnavailable):
            store.access.add_key(replace(stored(clock, 1), digest="f" * 64), actor="test")
        found = store.access.find_key(f"{1:012x}")
        assert found is not None
        assert found.digest == f"{1:064x}"

    def test_a_client_has_two_live_keys_at_most(self, store: Store, clock: FakeClock) -> None:
        """H-05: one in use and its successor; an ended one makes room."""
        store.access.add_key(stored(clock, 1), actor="test")
        store.access.add_key(stored(clock, 2), actor="test")
        with pytest.raises(IllegalTransition) as caught:
            store.access.add_key(stored(clock, 3), actor="test")
        assert caught.value.reason == "too_many_keys"
        store.access.add_key(stored(clock, 4, client="client-0000000000000002"), actor="test")
        store.access.revoke_key(f"{1:012x}", actor="test")
        store.access.add_key(stored(clock, 3), actor="test")
        clock.advance(11 * 86400)
        store.access.add_key(stored(clock, 5), actor="test")

    def test_of_many_keys_made_at_once_a_client_gets_two(self, store: Store, clock: FakeClock) -> None:
        """H-05: also a client that has none yet: rows that are not there cannot be locked."""

        def add(number: int) -> str:
            try:
                store.access.add_key(stored(clock, number), actor="test")
            except IllegalTransition as error:
                return error.reason
            return "added"

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(add, range(8))) == ["added"] * 2 + ["too_many_keys"] * 6

    def test_of_many_rotations_at_once_one_wins(self, store: Store, clock: FakeClock) -> None:
        """H-05: the others find two live keys."""
        store.access.add_key(stored(clock, 99), actor="test")
        until = clock.now() + timedelta(hours=2)

        def rotate(number: int) -> str:
            try:
                store.access.replace_key(f"{99:012x}", stored(clock, number), old_until=until, actor="test")
            except IllegalTransition as error:
                return error.reason
            return "rotated"

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(rotate, range(8))) == ["rotated"] + ["too_many_keys"] * 7

    def test_a_replaced_key_works_on_for_a_while(self, store: Store, clock: FakeClock) -> None:
        """H-05: both are live while they overlap, then one."""
        store.access.add_key(stored(clock, 1), actor="test")
        until = clock.now() + timedelta(hours=2)
        store.access.replace_key(f"{1:012x}", stored(clock, 2), old_until=until, actor="test")
        old, new = store.access.keys()
        assert (old.expires_at, new.expires_at) == (until, clock.now() + timedelta(days=10))
        assert old.is_live(clock.now())
        clock.advance(2 * 3600)
        assert not old.is_live(clock.now())
        with pytest.raises(IllegalTransition) as caught:
            store.access.replace_key(f"{1:012x}", stored(clock, 3), old_until=until, actor="test")
        assert caught.value.reason == "key_not_live"
        assert len(store.access.keys()) == 2

    def test_replacing_never_makes_a_key_live_longer(self, store: Store, clock: FakeClock) -> None:
        """H-05: an overlap beyond the old key's own end does not move it."""
        first = stored(clock, 1, days=1)
        store.access.add_key(first, actor="test")
        store.access.replace_key(
            f"{1:012x}", stored(clock, 2), old_until=clock.now() + timedelta(days=30), actor="test"
        )
        assert store.access.keys()[0].expires_at == first.key.expires_at

    def test_a_failed_replacement_changes_nothing(self, store: Store, clock: FakeClock) -> None:
        """H-05: the old key keeps its end when there is no room for the new one."""
        store.access.add_key(stored(clock, 1), actor="test")
        store.access.add_key(stored(clock, 2), actor="test")
        later = clock.now() + timedelta(hours=1)
        with pytest.raises(IllegalTransition):
            store.access.replace_key(f"{1:012x}", stored(clock, 3), old_until=later, actor="test")
        assert store.access.keys()[0] == stored(clock, 1).key
        with pytest.raises(NotFound):
            store.access.replace_key("f" * 12, stored(clock, 3), old_until=clock.now(), actor="test")

    def test_a_revoked_key_is_dead_from_the_first_time_on(self, store: Store, clock: FakeClock) -> None:
        """H-05: idempotent, audited once."""
        store.access.add_key(stored(clock, 1), actor="test")
        first = store.access.revoke_key(f"{1:012x}", actor="admin")
        clock.advance(60)
        assert store.access.revoke_key(f"{1:012x}", actor="admin") == first
        assert not first.is_live(clock.now())
        assert [event.action for event in store.events(f"{1:012x}")] == ["api_key.created", "api_key.revoked"]
        with pytest.raises(NotFound):
            store.access.revoke_key("f" * 12, actor="admin")

    def test_pages_follow_in_order_of_names(self, store: Store, clock: FakeClock) -> None:
        """H-05: keyset pages."""
        for number in (3, 1, 2):
            store.access.add_key(stored(clock, number, client=f"client-{number:016x}"), actor="test")
        first = store.access.keys(limit=2)
        rest = store.access.keys(after=first[-1].key_id, limit=2)
        assert [key.key_id for key in (*first, *rest)] == [f"{number:012x}" for number in (1, 2, 3)]

    def test_use_is_remembered_without_an_event(self, store: Store, clock: FakeClock) -> None:
        """H-05: last used; an unknown key changes nothing."""
        store.access.add_key(stored(clock, 1), actor="test")
        clock.advance(5)
        store.access.keys_used([f"{1:012x}"])
        store.access.keys_used(["f" * 12])
        assert store.access.keys()[0].last_used_at == clock.now()
        assert len(store.events(f"{1:012x}")) == 1

    def test_every_change_says_who_and_what_but_no_secret(self, store: Store, clock: FakeClock) -> None:
        """H-09: created, rotated, revoked, with ids, roles and scopes only."""
        store.access.add_key(stored(clock, 1), actor="cli:uid-1")
        store.access.replace_key(f"{1:012x}", stored(clock, 2), old_until=clock.now(), actor="cli:uid-1")
        events = [*store.events(f"{1:012x}"), *store.events(f"{2:012x}")]
        assert [event.action for event in events] == ["api_key.created", "api_key.rotated", "api_key.created"]
        assert {event.actor for event in events} == {"cli:uid-1"}
        assert events[0].facts == {"client": "client-0000000000000001", "roles": "service user", "scopes": "read"}
        assert f"{1:064x}" not in repr(events)
