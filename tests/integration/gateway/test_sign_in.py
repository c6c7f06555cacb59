"""H-05: the door itself: keys made and ended over HTTP, failed attempts counted, slowed down and never written down."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opendrape.access.key_text import KeyText
from opendrape.errors import CatalogueUnavailable, ConfigurationError
from opendrape.logging import configure
from opendrape.settings import LogSettings
from opendrape_gateway.composition import create_app
from opendrape_gateway.first_key import ensure_first_key
from opendrape_gateway.sign_in import FailedSignIns, network_of
from tests.fakes.clock import FakeClock
from tests.fakes.gateway import ADMIN_KEY, NOBODY, ask, gateway_container


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path) as made:
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    return create_app(container)


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    root, lines = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    configure(LogSettings(level="debug", style="json"), stream=lines)
    yield lines
    configure(LogSettings(), stream=None)
    root.handlers = handlers
    root.setLevel(level)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def make_key(app: Any, **more: Any) -> dict[str, Any]:
    response = ask(app, "/api/keys/", method="POST", json={"label": "pacs", "roles": ["user"]} | more)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


# -- keys over HTTP ---------------------------------------------------------------------------------------------------
def test_a_key_is_shown_once_and_works(app: Any) -> None:
    """H-05: in the answer to its making and nowhere else."""
    made = make_key(app)
    assert ask(app, "/api/videos/", headers=bearer(made["key"])).status_code == 200
    listed = ask(app, "/api/keys/")
    assert made["key"] not in listed.text
    assert KeyText.parse(made["key"]).secret not in listed.text  # type: ignore[union-attr]
    assert made["id"] in [key["id"] for key in listed.json()["keys"]]


def test_a_rotated_key_works_beside_its_successor(app: Any) -> None:
    """H-05: the same client; a third at once is refused with 409."""
    old = make_key(app)
    new = ask(app, f"/api/keys/{old['id']}/rotate/", method="POST").json()
    assert new["client"] == old["client"]
    for key in (old, new):
        assert ask(app, "/api/videos/", headers=bearer(key["key"])).status_code == 200
    third = ask(app, f"/api/keys/{new['id']}/rotate/", method="POST")
    assert (third.status_code, third.json()["reason"]) == (409, "too_many_keys")
    at_once = make_key(app)
    ask(app, f"/api/keys/{at_once['id']}/rotate/", method="POST", json={"overlap_hours": 0})
    ended = ask(app, "/api/videos/", headers=bearer(at_once["key"]))
    assert (ended.status_code, ended.json()["reason"]) == (401, "credential_expired")


def test_a_revoked_key_opens_nothing_at_once(app: Any) -> None:
    """H-05: no cache keeps it alive."""
    made = make_key(app)
    assert ask(app, "/api/videos/", headers=bearer(made["key"])).status_code == 200
    revoked = ask(app, f"/api/keys/{made['id']}/", method="DELETE")
    assert revoked.json()["revoked_at"] is not None
    response = ask(app, "/api/videos/", headers=bearer(made["key"]))
    assert (response.status_code, response.json()["reason"]) == (401, "credential_unknown")
    assert ask(app, "/api/keys/000000000000/", method="DELETE").status_code == 404


def test_keys_are_listed_in_pages(app: Any) -> None:
    """H-05: keyset pages with a Link header."""
    made = {make_key(app)["id"] for _ in range(4)} | {ADMIN_KEY.key_id}
    seen, url = set(), "/api/keys/?limit=2"
    while url:
        response = ask(app, url)
        seen |= {key["id"] for key in response.json()["keys"]}
        link = response.headers.get("link")
        url = "/api/keys/" + link.partition("<")[2].partition(">")[0] if link else ""
    assert seen == made


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "Dr Smith"},
        {"label": "x" * 33},
        {"roles": []},
        {"roles": ["root"]},
        {"scopes": ["everything"]},
        {"days": 0},
        {"days": 367},
        {"days": "Infinity"},
        {"more": 1},
    ],
)
def test_a_key_that_cannot_be_is_refused_without_an_echo(app: Any, wrong: dict[str, Any]) -> None:
    """H-03, P-05: 422, all errors, no value."""
    response = ask(app, "/api/keys/", method="POST", json={"label": "pacs", "roles": ["user"]} | wrong)
    assert response.status_code == 422
    assert "Smith" not in response.text


def test_who_made_and_ended_a_key_is_in_the_audit(app: Any, container: Any) -> None:
    """H-09: by the admin's pseudonym, without a secret."""
    made = make_key(app)
    ask(app, f"/api/keys/{made['id']}/", method="DELETE")
    events = container.catalogue.audit_events(made["id"])
    assert [event.action for event in events] == ["api_key.created", "api_key.revoked"]
    assert all(event.actor.startswith("client-") for event in events)
    assert KeyText.parse(made["key"]).secret not in repr(events)  # type: ignore[union-attr]


# -- failed attempts --------------------------------------------------------------------------------------------------
def test_failed_sign_ins_are_counted_and_logged_by_reason_only(app: Any, log_lines: io.StringIO) -> None:
    """H-05, P-05: never a key, a name of a key or an address."""
    secret = KeyText.draw()
    for headers in (bearer(secret.shown()), bearer("eyJx.eyJ4.x"), {"Authorization": "Basic canary"}, NOBODY):
        assert ask(app, "/api/videos/", headers=headers).status_code == 401
    text = ask(app, "/metrics").text
    assert 'opendrape_sign_ins_total{outcome="credential_unknown"} 2.0' in text
    written = log_lines.getvalue()
    assert written.count("sign_in_refused") == 2
    for canary in (secret.secret, secret.key_id, "eyJx", "canary", "127.0.0.1"):
        assert canary not in written
        assert canary not in text


def test_an_address_where_too_many_fail_waits_and_known_keys_go_on(app: Any, container: Any) -> None:
    """H-05: 429 with Retry-After for what was not seen good before; nobody who works is locked out."""
    known, fresh = make_key(app), make_key(app)
    assert ask(app, "/api/videos/", headers=bearer(known["key"])).status_code == 200
    for _ in range(20):
        assert ask(app, "/api/videos/", headers=bearer(KeyText.draw().shown())).status_code == 401
    for headers in (bearer(KeyText.draw().shown()), bearer(fresh["key"])):
        response = ask(app, "/api/videos/", headers=headers)
        assert (response.status_code, response.json()["reason"]) == (429, "too_many_sign_ins")
        assert response.headers["retry-after"] == "60"
    assert ask(app, "/api/videos/", headers=bearer(known["key"])).status_code == 200
    ask(app, f"/api/keys/{known['id']}/", method="DELETE")
    assert ask(app, "/api/videos/", headers=bearer(known["key"])).status_code == 401
    container.clock.seconds += 60
    assert ask(app, "/api/videos/", headers=bearer(fresh["key"])).status_code == 200


def test_attempts_are_counted_by_network_and_forgotten() -> None:
    """H-05: an IPv6 host has 2^64 addresses; what is remembered is bounded."""
    clock = FakeClock()
    failures = FailedSignIns(monotonic=clock.monotonic, per_minute=2)
    for address in ("2001:db8::1", "2001:db8::2"):
        failures.failed(address)
    assert failures.must_wait("2001:db8::3", "k")
    assert not failures.must_wait("2001:db8:0:1::3", "k")
    clock.advance(60)
    assert not failures.must_wait("2001:db8::3", "k")
    for number in range(5000):
        failures.failed(f"10.0.{number // 256}.{number % 256}")
        failures.succeeded(str(number))
    assert len(failures._counts) <= 4096
    assert len(failures._good) <= 1024


@pytest.mark.parametrize(
    ("address", "network"),
    [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"), ("", "unknown")],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    """H-05: mapped addresses are the ones they map."""
    assert network_of(address) == network


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "bearer", "Token x", "odk_x", ",", "Bearer\tx"])
def test_an_odd_header_is_no_credential(app: Any, authorization: str) -> None:
    """H-05: 401, and no attempt is counted for what is none."""
    response = ask(app, "/api/videos/", headers={"Authorization": authorization})
    assert (response.status_code, response.json()["reason"]) == (401, "sign_in_required")


def test_the_scheme_may_be_written_in_any_case(app: Any) -> None:
    """H-05: RFC 9110: schemes are case-insensitive."""
    assert ask(app, "/api/videos/", headers={"Authorization": f"bEARER {ADMIN_KEY.shown()}"}).status_code == 200


def test_two_credentials_at_once_are_none(app: Any) -> None:
    """H-05: a proxy might look at the other one."""
    import asyncio

    import httpx

    async def twice() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
            good = f"Bearer {ADMIN_KEY.shown()}"
            response = await client.get("/api/videos/", headers=[("authorization", good), ("authorization", good)])
            return response.status_code

    assert asyncio.run(twice()) == 401


def test_a_catalogue_that_is_gone_is_503_not_401(app: Any, container: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """H-05: nobody is told that a good key is bad; nobody gets in either."""

    def gone(*_: object) -> None:
        raise CatalogueUnavailable

    monkeypatch.setattr(type(container.access), "find_key", gone)
    response = ask(app, "/api/videos/")
    assert (response.status_code, response.json()["reason"]) == (503, "catalogue_unavailable")
    assert ask(app, "/health/live", headers=NOBODY).status_code == 200


# -- the first key ----------------------------------------------------------------------------------------------------
class _Empty:
    """The store of an installation that was never started: what it was given is remembered."""

    def __init__(self, container: Any) -> None:
        with container.catalogue.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM api_keys")


def test_the_first_start_says_an_admins_key_once(app: Any, container: Any) -> None:
    """H-05: it works; a second start says nothing."""
    _Empty(container)
    said: list[str] = []
    ensure_first_key(container, notice=said.append)
    ensure_first_key(container, notice=said.append)
    (text,) = said
    key = next(word for word in text.split() if word.startswith("odk_"))
    assert ask(app, "/api/keys/", headers=bearer(key)).status_code == 200


def test_a_key_from_a_file_opens_the_door_until_it_is_revoked(app: Any, container: Any, tmp_path: Path) -> None:
    """H-05: for a cluster; a restart does not bring a revoked key back."""
    _Empty(container)
    drawn = KeyText.draw()
    file = tmp_path / "first.key"
    file.write_text(drawn.shown() + "\n")
    file.chmod(0o600)
    access = container.settings.access.model_copy(update={"first_key_file": file})
    container.settings = container.settings.model_copy(update={"access": access})
    said: list[str] = []
    ensure_first_key(container, notice=said.append)
    assert said == []
    assert ask(app, "/api/keys/", headers=bearer(drawn.shown())).status_code == 200
    container.access.revoke_key(drawn.key_id, actor="test")
    ensure_first_key(container, notice=said.append)
    assert ask(app, "/api/keys/", headers=bearer(drawn.shown())).status_code == 401
    file.write_text("secret")
    with pytest.raises(ConfigurationError) as caught:
        ensure_first_key(container, notice=said.append)
    assert caught.value.reason == "first_key_unusable"
