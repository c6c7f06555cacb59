"""H-05: every route, every role, own and other people's objects: the table is made from the app's own routes.

A route that is not in ``RULES`` fails the first test here: whoever adds one says who may use it. Each rule says which
roles get past the door and how an object is made that belongs to somebody, where the route shows objects with owners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from opendrape.access.key_office import KeyOffice
from opendrape.domain.access import Role, Scope
from opendrape_gateway.composition import create_app
from tests.fakes.gateway import NOBODY, ask, asset_id, gateway_container, register

EVERYBODY = frozenset(Role)
ADMIN = frozenset({Role.ADMIN})


@dataclass(frozen=True)
class Rule:
    """Who may use a route. ``is_open``: without any credential. ``owned``: (container, owner) -> values of the path,
    for routes whose objects belong to somebody: another one's must answer 404.
    """

    roles: frozenset[Role] = frozenset()
    scope: Scope = Scope.READ
    is_open: bool = False
    path: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    owned: Callable[[Any, str], dict[str, str]] | None = None


OPEN = Rule(is_open=True)
_NEW_KEY = {"label": "pacs", "roles": ["user"]}
_REQUEST = {"request_id": "00000000-0000-0000-0000-000000000000"}
_SEGMENT = {"asset_id": asset_id(1), "segment_id": "1"}
_KEY = {"key_id": "0123456789ab"}
RULES: dict[str, Rule] = {
    "GET /health": OPEN,
    "GET /health/live": OPEN,
    "GET /health/ready": OPEN,
    "GET /metrics": OPEN,  # on loopback; see test_metrics_need_a_key_where_others_can_reach_them
    "GET /api/openapi.json": Rule(EVERYBODY),
    "GET /api/videos/": Rule(EVERYBODY),
    "GET /api/videos/{asset_id}/": Rule(EVERYBODY, path={"asset_id": asset_id(1)}),
    "GET /api/frames/anonymize/health/": OPEN,
    "POST /api/frames/anonymize/": Rule(EVERYBODY, Scope.WRITE, body={}),
    "GET /api/frames/anonymize/requests/": Rule(EVERYBODY),
    "GET /api/frames/anonymize/status/{request_id}/": Rule(EVERYBODY, path=_REQUEST),
    "GET /api/frames/anonymize/download/{request_id}/": Rule(EVERYBODY, Scope.DOWNLOAD, path=_REQUEST),
    "POST /api/frames/anonymize/download/{request_id}/token/": Rule(EVERYBODY, Scope.DOWNLOAD, path=_REQUEST),
    "DELETE /api/frames/anonymize/{request_id}/": Rule(EVERYBODY, Scope.WRITE, path=_REQUEST),
    "GET /api/videos/{asset_id}/segments/": Rule(EVERYBODY, path=_SEGMENT),
    "POST /api/videos/{asset_id}/segments/": Rule(EVERYBODY, Scope.WRITE, path=_SEGMENT, body={}),
    "GET /api/videos/{asset_id}/segments/{segment_id}/": Rule(EVERYBODY, path=_SEGMENT),
    "PUT /api/videos/{asset_id}/segments/{segment_id}/": Rule(EVERYBODY, Scope.WRITE, path=_SEGMENT, body={}),
    "DELETE /api/videos/{asset_id}/segments/{segment_id}/": Rule(EVERYBODY, Scope.WRITE, path=_SEGMENT),
    "GET /api/keys/": Rule(ADMIN, Scope.ADMIN),
    "POST /api/keys/": Rule(ADMIN, Scope.ADMIN, body=_NEW_KEY),
    "POST /api/keys/{key_id}/rotate/": Rule(ADMIN, Scope.ADMIN, path=_KEY),
    "DELETE /api/keys/{key_id}/": Rule(ADMIN, Scope.ADMIN, path=_KEY),
    "GET /api/audit/": Rule(ADMIN, Scope.ADMIN),
    "GET /api/audit/fhir/": Rule(ADMIN, Scope.ADMIN),
    "GET /api/audit/verification/": Rule(ADMIN, Scope.ADMIN),
}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    with gateway_container(folder) as made:
        register(made.catalogue, 1)
        access = made.settings.access.model_copy(update={"failed_sign_ins_per_minute": 10**6})
        made.settings = made.settings.model_copy(update={"access": access})
        yield made


@pytest.fixture(scope="module")
def app(container: Any) -> Any:
    return create_app(container)


def routes_of(app: Any) -> dict[str, Any]:
    """``METHOD /path/`` -> route, for every address of the app; a path without its last slash is its own entry."""
    found = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        for method in (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}:
            found[f"{method} {context.path}"] = route
    return found


def rule_of(name: str) -> Rule | None:
    """The rule of a route, also under its slash-less twin."""
    return RULES.get(name) or RULES.get(f"{name}/")


def signed_in(container: Any, role: Role | None, scopes: list[Scope] | None = None) -> tuple[dict[str, str], str]:
    """Headers and subject of a new client with one role, or none."""
    office = KeyOffice(container.access, container.clock)
    issued = office.issue(label="x", roles=[role] if role else [], scopes=scopes, days=1, actor="test")
    return {"Authorization": f"Bearer {issued.text}"}, issued.key.client


def call(app: Any, name: str, headers: dict[str, str], values: dict[str, str] | None = None) -> Any:
    rule = rule_of(name)
    assert rule is not None
    method, _, template = name.partition(" ")
    more = {"json": rule.body} if rule.body is not None else {}
    return ask(app, template.format(**(values or rule.path)), method=method, headers=headers, **more)


def test_every_route_has_a_rule_and_every_rule_a_route(app: Any) -> None:
    """H-05: a new route does not work until somebody has said for whom."""
    names = set(routes_of(app))
    assert {name for name in names if rule_of(name) is None} == set()
    assert set(RULES) - names == set()


def test_nobody_gets_past_the_door_without_a_credential(app: Any) -> None:
    """H-05: 401 with a challenge everywhere but where health and figures are asked; also where there is no address."""
    for name in [*routes_of(app), "GET /nowhere", "POST /api/videos/", "OPTIONS /api/videos/", "TRACE /api/keys/"]:
        method, _, template = name.partition(" ")
        rule = rule_of(name)
        path = template.format(**(rule.path if rule else {}))
        for headers in (NOBODY, {"Authorization": "Bearer x"}, {"Authorization": "Basic YTpi"}):
            response = ask(app, path, method=method, headers=headers)
            if rule is not None and rule.is_open:
                assert response.status_code not in {401, 403}, name
            else:
                assert response.status_code == 401, (name, headers)
                assert response.headers["www-authenticate"].startswith('Bearer realm="opendrape"')
                assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", [*Role, None], ids=lambda role: role or "no role")
def test_each_role_gets_past_exactly_the_doors_that_are_its_own(app: Any, container: Any, role: Role | None) -> None:
    """H-05: 403 where the role does not reach."""
    headers, _ = signed_in(container, role)
    for name in routes_of(app):
        rule = rule_of(name)
        assert rule is not None
        status = call(app, name, headers).status_code
        if rule.is_open or role in rule.roles or name == "GET /api/openapi.json":
            assert status not in {401, 403}, (name, status)
        else:
            assert status == 403, (name, status)


@pytest.mark.parametrize("role", list(Role))
def test_a_credential_is_worth_its_scopes_only(app: Any, container: Any, role: Role) -> None:
    """H-05: an admin's key for reading opens no key and no audit; a key without scopes opens nothing."""
    for scopes in ([], [Scope.READ], [Scope.WRITE], [Scope.DOWNLOAD]):
        headers, _ = signed_in(container, role, scopes)
        for name in routes_of(app):
            rule = rule_of(name)
            assert rule is not None
            if not rule.is_open and rule.scope not in scopes and name != "GET /api/openapi.json":
                assert call(app, name, headers).status_code == 403, (name, scopes)


@pytest.mark.parametrize("role", list(Role))
def test_what_belongs_to_others_is_not_there(app: Any, container: Any, role: Role) -> None:
    """H-05: own objects are found, others' answer 404 like none at all; an admin sees all."""
    for name in routes_of(app):
        rule = rule_of(name)
        assert rule is not None
        if rule.owned is None or role not in rule.roles:
            continue
        headers, subject = signed_in(container, role)
        own = call(app, name, headers, rule.owned(container, subject))
        other = call(app, name, headers, rule.owned(container, "client-ffffffffffffffff"))
        assert own.status_code not in {401, 403, 404}, name
        assert (other.status_code == 404) is (role is not Role.ADMIN), (name, other.status_code)


def test_every_route_of_ours_asks_who_calls(app: Any) -> None:
    """H-05: the second wall: behind the gate each route declares its own need."""
    ours = {name: route for name, route in routes_of(app).items() if isinstance(route, APIRoute)}
    assert len(ours) > len(RULES)
    for name, route in ours.items():
        rule = rule_of(name)
        assert rule is not None
        asked = {getattr(one.call, "__qualname__", "") for one in _dependencies(route.dependant)}
        asks = any("needs.<locals>" in name or name == "the_caller" for name in asked)
        assert asks is not rule.is_open, name


def _dependencies(dependant: Any) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one
        yield from _dependencies(one)


@pytest.mark.parametrize(
    ("choice", "host", "is_open"),
    [
        ("loopback", "127.0.0.1", True),
        ("loopback", "::1", True),
        ("loopback", "0.0.0.0", False),
        ("loopback", "10.1.2.3", False),
        ("open", "0.0.0.0", True),
        ("signed_in", "127.0.0.1", False),
    ],
)
def test_metrics_need_a_key_where_others_can_reach_them(container: Any, choice: str, host: str, is_open: bool) -> None:
    """H-07: OPENDRAPE_ACCESS__METRICS decides."""
    before = container.settings
    access = before.access.model_copy(update={"metrics": choice})
    try:
        container.settings = before.model_copy(update={"access": access})
        app = create_app(container)
        app.state.listens_on = host
        assert ask(app, "/metrics", headers=NOBODY).status_code == (200 if is_open else 401)
        assert ask(app, "/metrics").status_code == 200
        assert ask(app, "/health/live", headers=NOBODY).status_code == 200
    finally:
        container.settings = before
