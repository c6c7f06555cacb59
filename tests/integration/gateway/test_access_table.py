"""H-05: every route, every role, own and other people's objects: the table is made from the app's own routes.

A route that is not in ``RULES`` fails the first test here: whoever adds one says who may use it. Each rule says which
roles get past the door and how an object is made that belongs to somebody, where the route shows objects with owners.
"""

from __future__ import annotations

import itertools
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from opendrape.access.key_office import KeyOffice
from opendrape.domain.access import Role, Scope
from opendrape.domain.frames import ChosenSegment, NewFrames
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.webhooks import Endpoint
from opendrape.domain.work import Disposition, Failure, WorkKind
from opendrape.ports.uploads import NewUpload, Quota
from opendrape.settings import AccessSettings, DoorSettings
from opendrape_gateway.composition import create_app
from tests.fakes.door import whole_container
from tests.fakes.gateway import ADMIN_KEY, NOBODY, POLICY, ask, asset_id, picture_id, register

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
    is_for_all: bool = False
    """any credential will do, whatever its roles and scopes"""
    may_lack: bool = False
    """an own object need not have it yet"""
    headers: dict[str, str] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    owned: Callable[[Any, str], dict[str, str]] | None = None


def _video(container: Any, owner: str) -> dict[str, str]:
    number = next(_NUMBERS)
    register(container.catalogue, number)
    container.door.owners.add(asset_id(number), owner)
    return {"asset_id": asset_id(number)}


def _image(container: Any, owner: str) -> dict[str, str]:
    number = next(_NUMBERS)
    register(container.catalogue, number, name=picture_id)
    container.door.owners.add(picture_id(number), owner)
    return {"asset_id": picture_id(number)}


def _segment(container: Any, owner: str) -> dict[str, str]:
    video = _video(container, owner)
    made = container.segments.add(video["asset_id"], label="x", span=FrameSpan(0, 9), actor="test")
    return video | {"segment_id": str(made.segment_id)}


def _frames(container: Any, owner: str) -> dict[str, str]:
    video = _video(container, owner)["asset_id"]
    chosen = (ChosenSegment(1, FrameSpan(0, 9)),)
    new = NewFrames(str(uuid.uuid4()), owner, video, POLICY, "jpg", chosen)
    return {"request_id": container.frames.start(new, limit=10**6, actor="test").request_id}


def _upload(container: Any, owner: str) -> dict[str, str]:
    new = NewUpload(f"up-{secrets.token_hex(16)}", owner, 10, "faces", container.clock.now() + timedelta(hours=1))
    return {"upload_id": container.door.uploads.create(new, quota=Quota(10**6, 10**12)).upload_id}


def _webhook(container: Any, owner: str) -> dict[str, str]:
    name = f"wh-{secrets.token_hex(16)}"
    new = Endpoint(name, owner, False, "https://receiver.example/", 1, True, None, container.clock.now())
    container.door.webhooks.add(new, most=10**6)
    return {"webhook_id": name}


def _waiting(container: Any, owner: str, name: str) -> dict[str, str]:
    """Whatever the route is about, of a video that is quarantined."""
    rule = rule_of(name)
    assert rule is not None
    assert rule.owned is not None
    values = rule.owned(container, owner)
    lease = None
    while lease is None or lease.asset_id != values["asset_id"]:
        lease = container.catalogue.claim({WorkKind.PLAN}, owner="test-0001", lease_seconds=600)
        assert lease is not None
    container.catalogue.fail(lease, Failure(reason="residual_found", disposition=Disposition.QUARANTINE))
    return values


_NUMBERS = itertools.count(1)
OPEN = Rule(is_open=True)
_NEW_KEY = {"label": "pacs", "roles": ["user"]}
_KEY = {"key_id": "0123456789ab"}
_MARK = {"label": "x", "start_frame": 0, "end_frame": 9}
_TUS = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
_LOOK = Rule(EVERYBODY, owned=_video)
_CHANGE = Rule(EVERYBODY, Scope.WRITE, owned=_video)
_LOOK_AT_IMAGE, _CHANGE_IMAGE = replace(_LOOK, owned=_image), replace(_CHANGE, owned=_image)
_ADMINS = Rule(ADMIN, Scope.ADMIN)
RULES: dict[str, Rule] = {
    "GET /health": OPEN,
    "GET /health/live": OPEN,
    "GET /health/ready": OPEN,
    "GET /api/frames/anonymize/health/": OPEN,
    "GET /metrics": OPEN,  # on loopback; see test_metrics_need_a_key_where_others_can_reach_them
    "GET /api/openapi.json": Rule(EVERYBODY, is_for_all=True),
    "GET /api/videos/": Rule(EVERYBODY),
    "POST /api/videos/": Rule(EVERYBODY, Scope.WRITE),
    "POST /api/videos/registrations/": Rule(EVERYBODY, Scope.WRITE, body={"blob": "a.mp4"}),
    "GET /api/videos/{asset_id}/": _LOOK,
    "POST /api/videos/{asset_id}/cancel/": _CHANGE,
    "POST /api/videos/{asset_id}/retry/": _CHANGE,
    "GET /api/videos/{asset_id}/regions/": _LOOK,
    "PUT /api/videos/{asset_id}/regions/": replace(_CHANGE, body={"regions": []}),
    "GET /api/videos/{asset_id}/report/": replace(_LOOK, may_lack=True),
    "GET /api/videos/{asset_id}/receipt/": replace(_LOOK, scope=Scope.DOWNLOAD, may_lack=True),
    "GET /api/videos/{asset_id}/output/": replace(_LOOK, scope=Scope.DOWNLOAD, may_lack=True),
    "GET /api/images/{asset_id}/output/": replace(_LOOK_AT_IMAGE, scope=Scope.DOWNLOAD, may_lack=True),
    "GET /api/images/": Rule(EVERYBODY),
    "POST /api/images/": Rule(EVERYBODY, Scope.WRITE),
    "GET /api/images/{asset_id}/": _LOOK_AT_IMAGE,
    "POST /api/images/{asset_id}/cancel/": _CHANGE_IMAGE,
    "POST /api/images/{asset_id}/retry/": _CHANGE_IMAGE,
    "GET /api/images/{asset_id}/regions/": _LOOK_AT_IMAGE,
    "PUT /api/images/{asset_id}/regions/": replace(_CHANGE_IMAGE, body={"regions": []}),
    "GET /api/images/{asset_id}/report/": replace(_LOOK_AT_IMAGE, may_lack=True),
    "GET /api/images/{asset_id}/receipt/": replace(_LOOK_AT_IMAGE, scope=Scope.DOWNLOAD, may_lack=True),
    "GET /api/videos/{asset_id}/progress/": _LOOK,
    "GET /api/videos/{asset_id}/timeline/": _LOOK,
    "GET /api/videos/{asset_id}/events/": _LOOK,
    "GET /api/videos/{asset_id}/segments/": _LOOK,
    "POST /api/videos/{asset_id}/segments/": replace(_CHANGE, body=_MARK),
    "GET /api/videos/{asset_id}/segments/{segment_id}/": replace(_LOOK, owned=_segment),
    "PUT /api/videos/{asset_id}/segments/{segment_id}/": replace(_CHANGE, owned=_segment, body=_MARK),
    "DELETE /api/videos/{asset_id}/segments/{segment_id}/": replace(_CHANGE, owned=_segment),
    "POST /api/frames/anonymize/": Rule(EVERYBODY, Scope.WRITE, body={}),
    "GET /api/frames/anonymize/requests/": Rule(EVERYBODY),
    "GET /api/frames/anonymize/status/{request_id}/": Rule(EVERYBODY, owned=_frames),
    "GET /api/frames/anonymize/download/{request_id}/": Rule(EVERYBODY, Scope.DOWNLOAD, owned=_frames),
    "POST /api/frames/anonymize/download/{request_id}/token/": Rule(EVERYBODY, Scope.DOWNLOAD, owned=_frames),
    "DELETE /api/frames/anonymize/{request_id}/": Rule(EVERYBODY, Scope.WRITE, owned=_frames),
    "OPTIONS /api/uploads/": Rule(EVERYBODY, is_for_all=True),
    "POST /api/uploads/": Rule(EVERYBODY, Scope.WRITE, headers={"Tus-Resumable": "1.0.0"}),
    "GET /api/uploads/": Rule(EVERYBODY),
    "GET /api/uploads/{upload_id}/": Rule(EVERYBODY, owned=_upload),
    "HEAD /api/uploads/{upload_id}/": Rule(EVERYBODY, owned=_upload, headers={"Tus-Resumable": "1.0.0"}),
    "PATCH /api/uploads/{upload_id}/": Rule(EVERYBODY, Scope.WRITE, owned=_upload, headers=_TUS),
    "DELETE /api/uploads/{upload_id}/": Rule(EVERYBODY, Scope.WRITE, owned=_upload, headers={"Tus-Resumable": "1.0.0"}),
    "GET /api/webhooks/": Rule(EVERYBODY),
    "POST /api/webhooks/": Rule(EVERYBODY, Scope.WRITE, body={"url": "https://receiver.example/"}),
    "GET /api/webhooks/{webhook_id}/": Rule(EVERYBODY, owned=_webhook),
    "PATCH /api/webhooks/{webhook_id}/": Rule(EVERYBODY, Scope.WRITE, owned=_webhook, body={"active": False}),
    "DELETE /api/webhooks/{webhook_id}/": Rule(EVERYBODY, Scope.WRITE, owned=_webhook),
    "GET /api/webhooks/{webhook_id}/deliveries/": Rule(EVERYBODY, owned=_webhook),
    "GET /api/keys/": _ADMINS,
    "POST /api/keys/": replace(_ADMINS, body=_NEW_KEY),
    "POST /api/keys/{key_id}/rotate/": replace(_ADMINS, path=_KEY),
    "DELETE /api/keys/{key_id}/": replace(_ADMINS, path=_KEY),
    "GET /api/audit/": _ADMINS,
    "GET /api/audit/fhir/": _ADMINS,
    "GET /api/audit/verification/": _ADMINS,
}
_PLAIN = {"asset_id": asset_id(0), "segment_id": "1", "request_id": str(uuid.UUID(int=0))}
_PLAIN |= {"upload_id": f"up-{'0' * 32}", "webhook_id": f"wh-{'0' * 32}", **_KEY}
"""Values of a path where it does not matter whose it is."""


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    many = AccessSettings(failed_sign_ins_per_minute=10**6)
    with whole_container(
        tmp_path_factory.mktemp("gateway"), access=many, door=DoorSettings(burst_requests=10**6)
    ) as made:
        office = KeyOffice(made.access, made.clock)
        office.issue(label="tests", roles=[Role.ADMIN], scopes=None, days=1, actor="test", text=ADMIN_KEY)
        yield made


@pytest.fixture(scope="module")
def app(container: Any) -> Any:
    made = create_app(container)
    made.state.stopping.set()  # streams of events end at once
    return made


def routes_of(app: Any) -> dict[str, Any]:
    """``METHOD /path/`` -> route, for every address of the app; a path without its last slash is its own entry."""
    found = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        methods = getattr(route, "methods", None) or {"GET"}
        for method in methods - {"HEAD"} or methods:
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


def call(app: Any, container: Any, name: str, headers: dict[str, str], owner: str) -> Any:
    """Call a route, on an object of that owner where its objects have one."""
    rule = rule_of(name)
    assert rule is not None
    return call_on(app, rule, name, headers, rule.owned(container, owner) if rule.owned else rule.path)


def call_on(app: Any, rule: Rule, name: str, headers: dict[str, str], values: dict[str, str]) -> Any:
    """Call a route with these values in its path."""
    method, _, template = name.partition(" ")
    more = {"json": rule.body} if rule.body is not None else {}
    return ask(app, template.format(**values), method=method, headers=rule.headers | headers, **more)


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
        path = template.format(**_PLAIN)
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
    headers, subject = signed_in(container, role)
    for name in routes_of(app):
        rule = rule_of(name)
        assert rule is not None
        status = call(app, container, name, headers, subject).status_code
        if rule.is_open or rule.is_for_all or role in rule.roles:
            assert status not in {401, 403}, (name, status)
        else:
            assert status == 403, (name, status)


@pytest.mark.parametrize("role", list(Role))
def test_a_credential_is_worth_its_scopes_only(app: Any, container: Any, role: Role) -> None:
    """H-05: an admin's key for reading opens no key and no audit; a key without scopes opens nothing."""
    for scopes in ([], [Scope.READ], [Scope.WRITE], [Scope.DOWNLOAD]):
        headers, subject = signed_in(container, role, scopes)
        for name in routes_of(app):
            rule = rule_of(name)
            assert rule is not None
            if not rule.is_open and not rule.is_for_all and rule.scope not in scopes:
                assert call(app, container, name, headers, subject).status_code == 403, (name, scopes)


@pytest.mark.parametrize("role", list(Role))
def test_what_belongs_to_others_is_not_there(app: Any, container: Any, role: Role) -> None:
    """H-05: own objects are found, others' answer 404 like none at all; an admin sees all."""
    for name in routes_of(app):
        rule = rule_of(name)
        assert rule is not None
        if rule.owned is None or role not in rule.roles:
            continue
        headers, subject = signed_in(container, role)
        own = call(app, container, name, headers, subject)
        other = call(app, container, name, headers, "client-ffffffffffffffff")
        assert rule.may_lack or own.status_code not in {401, 403, 404}, (name, own.status_code)
        assert own.status_code < 500, (name, own.status_code)
        if not (rule.may_lack and role is Role.ADMIN):
            assert (other.status_code == 404) is (role is not Role.ADMIN), (name, other.status_code)


@pytest.mark.parametrize("role", list(Role))
def test_what_waits_for_a_decision_is_there_for_reviewers(app: Any, container: Any, role: Role) -> None:
    """H-05, V-18: every route about a video finds another's quarantined video for a reviewer and an administrator."""
    headers, _ = signed_in(container, role)
    about_videos = [name for name in routes_of(app) if "{asset_id}" in name]
    assert len(about_videos) > 20
    for name in about_videos:
        rule = rule_of(name)
        assert rule is not None
        values = _waiting(container, "client-ffffffffffffffff", name)
        found = call_on(app, rule, name, headers, values)
        if role in {Role.REVIEWER, Role.ADMIN}:
            assert rule.may_lack or found.status_code not in {401, 403, 404}, (name, found.status_code)
            assert found.status_code < 500, name
        else:
            assert found.status_code == 404, (name, found.status_code)


def test_every_route_of_ours_asks_who_calls(app: Any) -> None:
    """H-05: the second wall: behind the gate each route declares its own need."""
    ours = {name: route for name, route in routes_of(app).items() if isinstance(route, APIRoute)}
    assert len(ours) > len(RULES)
    for name, route in ours.items():
        rule = rule_of(name)
        assert rule is not None
        asked = {getattr(one.call, "__qualname__", "") for one in _dependencies(route.dependant)}
        asks = any("needs.<locals>" in one for one in asked)
        assert asks is not (rule.is_open or rule.is_for_all), name


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
    access = AccessSettings(metrics=choice)  # type: ignore[arg-type]
    settings = container.settings.model_copy(update={"access": access})
    app = create_app(replace(container, settings=settings))
    app.state.listens_on = host
    assert ask(app, "/metrics", headers=NOBODY).status_code == (200 if is_open else 401)
    assert ask(app, "/metrics").status_code == 200
    assert ask(app, "/health/live", headers=NOBODY).status_code == 200
