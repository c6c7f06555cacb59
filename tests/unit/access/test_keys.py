"""H-05: how an API key is drawn, told, recognised and refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing

import pytest

from opendrape.access.key_office import KeyOffice
from opendrape.access.key_text import KeyText
from opendrape.adapters.sql.access import SqlAccessStore
from opendrape.adapters.sql.catalogue import SqlCatalogue
from opendrape.domain.access import Caller, Role, Scope, scopes_of
from opendrape.errors import IllegalTransition, SignInRequired
from tests.fakes.catalogue import memory_catalogue
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalogue(clock: FakeClock) -> Iterator[SqlCatalogue]:
    with closing(memory_catalogue(clock)) as made:
        yield made


@pytest.fixture
def store(catalogue: SqlCatalogue, clock: FakeClock) -> SqlAccessStore:
    return SqlAccessStore(catalogue.database, clock=clock)


@pytest.fixture
def office(store: SqlAccessStore, clock: FakeClock) -> KeyOffice:
    return KeyOffice(store, clock)


def refused(office: KeyOffice, text: str) -> str:
    with pytest.raises(SignInRequired) as caught:
        office.recognise(text)
    return caught.value.reason


# -- the text ---------------------------------------------------------------------------------------------------------
def test_a_key_has_a_prefix_for_scanners_and_256_random_bits() -> None:
    """H-05: two draws share nothing."""
    one, other = KeyText.draw(), KeyText.draw()
    assert one.shown().startswith("odk_")
    assert len(bytes.fromhex(one.secret)) == 32
    assert one.secret != other.secret
    assert KeyText.parse(one.shown()) == one


def test_a_key_keeps_its_secret_out_of_its_repr() -> None:
    """P-05: a traceback or a log shows the name at most."""
    key = KeyText.draw()
    assert key.secret not in repr(key)


def test_only_a_digest_is_kept(catalogue: SqlCatalogue, office: KeyOffice) -> None:
    """H-05: neither the text nor the secret is anywhere in the database."""
    issued = office.issue(label="pacs", roles=[Role.USER], scopes=None, days=1, actor="test")
    secret = KeyText.parse(issued.text)
    assert secret is not None
    with catalogue.database.read() as connection:
        content = "\n".join(
            repr(row)
            for table in ("api_keys", "audit_events")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
        )
    assert hashlib.sha256(bytes.fromhex(secret.secret)).hexdigest() in content
    assert secret.secret not in content


@pytest.mark.parametrize(
    "text",
    [
        "",
        "odk_",
        "odk_000000000000_" + "0" * 63,
        "odk_000000000000_" + "0" * 65,
        "odk_000000000000_" + "G" * 64,
        "odk_00000000000g_" + "0" * 64,
        " odk_000000000000_" + "0" * 64,
        "odk_000000000000_" + "0" * 64 + "\n",
        "odk_' OR 1=1 --_" + "0" * 64,
    ],
)
def test_what_is_not_exactly_a_key_is_none(text: str, office: KeyOffice) -> None:
    """H-05: nothing near a key is taken for one."""
    assert KeyText.parse(text) is None
    assert refused(office, text) == "credential_unknown"


# -- recognising ------------------------------------------------------------------------------------------------------
def test_whoever_holds_a_key_is_recognised(office: KeyOffice) -> None:
    """H-05: subject, roles, scopes."""
    issued = office.issue(label="pacs", roles=[Role.SERVICE], scopes=[Scope.READ], days=1, actor="test")
    caller = office.recognise(issued.text)
    assert caller == Caller(issued.key.client, frozenset({Role.SERVICE}), frozenset({Scope.READ}))


def test_scopes_beyond_the_roles_are_not_given(office: KeyOffice) -> None:
    """H-05: a user's key with the scope admin would open keys and audit."""
    issued = office.issue(label="pacs", roles=[Role.USER], scopes=list(Scope), days=1, actor="test")
    assert Scope.ADMIN not in office.recognise(issued.text).scopes


def test_a_wrong_secret_an_unknown_name_and_a_revoked_key_read_the_same(
    office: KeyOffice, store: SqlAccessStore
) -> None:
    """H-05: nobody learns which names exist."""
    issued = office.issue(label="pacs", roles=[Role.USER], scopes=None, days=1, actor="test")
    wrong = KeyText(issued.key.key_id, "0" * 64).shown()
    assert refused(office, wrong) == refused(office, KeyText.draw().shown()) == "credential_unknown"
    store.revoke_key(issued.key.key_id, actor="test")
    assert refused(office, issued.text) == "credential_unknown"


def test_an_expired_key_says_so_only_to_its_holder(office: KeyOffice, clock: FakeClock) -> None:
    """H-05: expiry is told to who has the secret."""
    issued = office.issue(label="pacs", roles=[Role.USER], scopes=None, days=1, actor="test")
    clock.advance(86400 - 1)
    office.recognise(issued.text)
    clock.advance(1)
    assert refused(office, issued.text) == "credential_expired"
    assert refused(office, KeyText(issued.key.key_id, "0" * 64).shown()) == "credential_unknown"


def test_no_key_lives_longer_than_a_year(office: KeyOffice, clock: FakeClock) -> None:
    """H-05: whatever is asked for."""
    issued = office.issue(label="pacs", roles=[Role.USER], scopes=None, days=10_000, actor="test")
    assert (issued.key.expires_at - clock.now()).days == 366


def test_a_rotation_keeps_the_client_and_lets_both_in_for_a_while(office: KeyOffice, clock: FakeClock) -> None:
    """H-05: what the client owns stays its own; a third key at once is refused."""
    old = office.issue(label="pacs", roles=[Role.USER], scopes=[Scope.READ], days=30, actor="test")
    new = office.rotate(old.key.key_id, days=30, overlap_hours=1, actor="test")
    assert office.recognise(old.text) == office.recognise(new.text)
    with pytest.raises(IllegalTransition) as caught:
        office.rotate(new.key.key_id, days=30, overlap_hours=1, actor="test")
    assert caught.value.reason == "too_many_keys"
    clock.advance(3600)
    assert refused(office, old.text) == "credential_expired"
    office.recognise(new.text)
    office.rotate(new.key.key_id, days=30, overlap_hours=0, actor="test")
    assert refused(office, new.text) == "credential_expired"


def test_last_use_is_written_once_a_minute(office: KeyOffice, store: SqlAccessStore, clock: FakeClock) -> None:
    """H-05: a read must not become a write each time."""
    issued = office.issue(label="pacs", roles=[Role.USER], scopes=None, days=1, actor="test")
    first = clock.now()
    office.recognise(issued.text)
    clock.advance(59)
    office.recognise(issued.text)
    assert store.keys()[0].last_used_at == first
    clock.advance(1)
    office.recognise(issued.text)
    assert store.keys()[0].last_used_at == clock.now()


# -- roles ------------------------------------------------------------------------------------------------------------
def test_only_an_admin_may_administer() -> None:
    """H-05: the scope of keys and audit comes with one role."""
    assert [role for role in Role if Scope.ADMIN in scopes_of({role})] == [Role.ADMIN]
    assert scopes_of(set()) == frozenset()


def test_everybody_sees_own_things_and_an_admin_all() -> None:
    """H-05: what belongs to nobody is an admin's."""
    for role in Role:
        caller = Caller("client-1", frozenset({role}), scopes_of({role}))
        assert caller.sees("client-1")
        assert caller.sees("client-2") is (role is Role.ADMIN)
        assert caller.sees(None) is (role is Role.ADMIN)


def test_a_scope_that_the_roles_do_not_allow_is_worth_nothing() -> None:
    """H-05: whatever a credential claims."""
    assert not Caller("client-1", frozenset({Role.USER}), frozenset(Scope)).may(Scope.ADMIN)
    assert not Caller("client-1", frozenset(), frozenset(Scope)).may(Scope.READ)
