"""H-02, H-05: progress is answered past the routes, with the same bytes, and to nobody whom the routes would refuse."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from opendrape.domain.access import Caller, Role, Scope
from opendrape.domain.work import WorkKind
from opendrape.metrics import render
from opendrape.ports.quick_look import NoQuickLook
from opendrape_gateway.callers import CALLER_KEY
from opendrape_gateway.composition import create_app
from opendrape_gateway.express_lane import ExpressLane
from opendrape_gateway.outer_lane import OuterLane
from opendrape_gateway.rates import rate_gate
from tests.fakes.door import app_for, key_of, whole_container
from tests.fakes.gateway import ask, asset_id, plan, register

_URL = f"/api/videos/{asset_id(1)}/progress/"
_BY_ROUTES = 299
_OF_EACH_ANSWER = {"x-request-id", "ratelimit"}


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with whole_container(tmp_path) as made:
        policy = made.policies.get("faces")
        made.policies.remember(policy)
        register(made.catalogue, 1, policy=policy.reference)
        plan(made.catalogue, (0, 200), (200, 300))
        made.door.owners.add(asset_id(1), "anna")
        yield made


class Lane:
    """The lane of an app alone; ``passed_on`` counts what it left to the routes."""

    def __init__(self, container: Any) -> None:
        app = create_app(container)
        self.passed_on = 0
        self.desk, self.rates = app.state.desk, rate_gate(app.state, app.state.desk)
        self._lane = ExpressLane(self._routes, desk=self.desk, rates=self.rates)

    async def _routes(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.passed_on += 1
        await send({"type": "http.response.start", "status": _BY_ROUTES, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, caller: Caller | None, path: str = _URL, method: str = "GET") -> int:
        scope = {"type": "http", "method": method, "path": path, "headers": [], CALLER_KEY: caller}
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        await self._lane(scope, None, send)  # type: ignore[arg-type]
        return statuses[0]


def _user(name: str, *scopes: Scope) -> Caller:
    return Caller(subject=name, roles=frozenset({Role.USER}), scopes=frozenset(scopes or {Scope.READ}))


def test_the_answer_is_that_of_the_routes(container: Any) -> None:
    """H-02: status, body and headers, to an owner, a stranger and an administrator, asked until it is remembered."""
    slow = replace(container, quick_look=NoQuickLook())
    paths = (_URL, _URL.rstrip("/"), _URL + "?a=b", f"/api/videos/{asset_id(2)}/progress/")
    for who in ("anna", "berta", "chief"):
        express, routes = app_for(container, lambda who=who: who), app_for(slow, lambda who=who: who)
        for path, tags in product(paths, ({}, {"If-None-Match": "*"}, {"If-None-Match": '"else"'})):
            for _ in range(2):
                by_lane, by_routes = ask(express, path, headers=tags), ask(routes, path, headers=tags)
                assert by_lane.status_code == by_routes.status_code
                assert by_lane.content == _without_id(by_routes, by_lane)
                assert _kept(by_lane) == _kept(by_routes)


def _without_id(given: Any, other: Any) -> bytes:
    """A problem's body names its request: give it the other's."""
    ids = [one.headers["x-request-id"].replace("-", "") for one in (given, other)]
    return bytes(given.content.replace(ids[0].encode(), ids[1].encode()))


def _kept(answer: Any) -> dict[str, str]:
    return {name: text for name, text in answer.headers.items() if name not in _OF_EACH_ANSWER}


async def _asked_by(lane: Lane) -> list[int]:
    lane.desk.standings.standing(lane.desk.container.quick_look.glance(asset_id(1), None))
    for name in ("anna", "berta"):  # a first request draws from the shared bucket, which may wait
        await lane.rates.spend(name)
    return [
        await lane.ask(_user("anna")),
        await lane.ask(_user("anna"), _URL.rstrip("/")),
        await lane.ask(_user("berta")),
        await lane.ask(_user("anna", Scope.WRITE)),
        await lane.ask(None),
        await lane.ask(_user("anna"), method="DELETE"),
        await lane.ask(_user("anna"), f"/api/videos/{asset_id(1)}/timeline/"),
        await lane.ask(_user("anna"), f"/api/videos/{asset_id(1)}\n/progress/"),
        await lane.ask(_user("anna"), f"/api/videos/{asset_id(2)}/progress/"),
    ]


def test_it_answers_by_itself_only_what_it_may(container: Any) -> None:
    """H-05: a stranger, a key without the scope, another method, another address and nobody go through the routes."""
    lane = Lane(container)
    assert asyncio.run(_asked_by(lane)) == [200, 200] + [_BY_ROUTES] * 7
    assert lane.passed_on == 7


def test_what_is_not_remembered_or_not_drawn_goes_through_the_routes(container: Any) -> None:
    """H-08: nobody gets round the rate, and no answer is made up."""
    lane = Lane(container)
    assert asyncio.run(lane.ask(_user("anna"))) == _BY_ROUTES
    lane.desk.standings.standing(lane.desk.container.quick_look.glance(asset_id(1), None))
    assert asyncio.run(lane.ask(_user("anna"))) == _BY_ROUTES


def test_a_change_is_told_at_once(container: Any) -> None:
    """H-02: what is remembered ends with the next event of the video."""
    app = app_for(container, lambda: "anna")
    before = [ask(app, _URL).json() for _ in range(3)][-1]
    lease = container.catalogue.claim({WorkKind.MASK}, owner="test-0001", lease_seconds=30)
    assert lease is not None
    container.catalogue.cancel(asset_id(1), actor="test")
    assert before["state"] == "processing"
    assert ask(app, _URL).json()["state"] == "cancelled"


def test_a_revoked_key_is_refused_at_once(container: Any) -> None:
    """H-05: also when it was good a moment ago and answered past the routes."""
    app, bearer = create_app(container), {"Authorization": f"Bearer {key_of(container, 'anna')}"}
    assert [ask(app, _URL, headers=bearer).status_code for _ in range(3)] == [200, 200, 200]
    key_id = hashlib.sha256(b"anna").hexdigest()[:12]
    container.access.revoke_key(key_id, actor="test")
    assert ask(app, _URL, headers=bearer).status_code == 401


def test_figures_and_limits_count_it_like_any_other(tmp_path: Path) -> None:
    """H-07, H-08: by its route, and until the caller has no tokens left."""
    with whole_container(tmp_path, door={"burst_requests": 20, "requests_per_second": 0.001}) as container:
        register(container.catalogue, 1)
        app = app_for(container)
        answers = [ask(app, _URL) for _ in range(22)]
        assert [one.status_code for one in answers] == [200] * 20 + [429] * 2
        figures = render(container.metrics)[0].decode()
    counted = [line for line in figures.splitlines() if "requests_total{" in line and "progress" in line]
    assert any('status="200"' in line and line.endswith(" 20.0") for line in counted), counted


class Outer:
    """The outer end of the lane alone; ``passed_on`` counts what it left to the layers behind, ``status`` of theirs."""

    def __init__(self, container: Any) -> None:
        app = create_app(container)
        app.state.listens_on = "127.0.0.1"
        self.app, self.desk, self.passed_on = app, app.state.desk, 0
        self.rates = rate_gate(app.state, app.state.desk)
        [made] = [one for one in app.user_middleware if one.cls is OuterLane]
        self.lane = OuterLane(self._behind, **made.kwargs)

    async def _behind(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.passed_on += 1
        await send({"type": "http.response.start", "status": _BY_ROUTES, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, *headers: tuple[str, str], path: str = _URL, method: str = "GET") -> int:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(name.encode(), text.encode()) for name, text in (("host", "localhost"), *headers)],
            "app": self.app,
            "client": ("127.0.0.1", 1),
        }
        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.append(message.get("status", 0))

        await self.lane(scope, None, send)  # type: ignore[arg-type]
        return statuses[0]

    async def get_ready(self) -> None:
        """What a first request draws and remembers."""
        self.desk.standings.standing(self.desk.container.quick_look.glance(asset_id(1), None))
        await self.rates.spend("anna")
        await self.rates.spend("berta")


def _bearer(container: Any, name: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {key_of(container, name)}")


@pytest.fixture
def outer(container: Any) -> Outer:
    made = Outer(container)
    made.keys = {name: _bearer(container, name) for name in ("anna", "berta")}  # type: ignore[attr-defined]
    office = made.lane._doorkeeper._keys
    office.recognise(key_of(container, "anna"))  # who uses a key is told in a thread, at the first time
    office._told |= dict.fromkeys((hashlib.sha256(one.encode()).hexdigest()[:12] for one in ("anna", "berta")), 1e18)
    return made


async def _all_of(outer: Outer, *asked: tuple[tuple[tuple[str, str], ...], dict[str, str]]) -> list[int]:
    await outer.get_ready()
    return [await outer.ask(*headers, **more) for headers, more in asked]


def test_the_outer_end_answers_the_holder_of_a_key(outer: Any) -> None:
    """H-02: with and without the slash, and with a tag; nothing behind it is asked."""
    anna = outer.keys["anna"]
    asked = [((anna,), {}), ((anna,), {"path": _URL.rstrip("/")}), ((anna, ("if-none-match", "*")), {})]
    assert asyncio.run(_all_of(outer, *asked)) == [200, 200, 304]
    assert outer.passed_on == 0


def test_the_outer_end_leaves_everything_else_to_the_layers(outer: Any) -> None:
    """H-05, H-08: nobody, a wrong secret, a stranger, two credentials, a foreign host, a body, another method."""
    anna, berta = outer.keys["anna"], outer.keys["berta"]
    wrong = (anna[0], anna[1][:-4] + ("0000" if not anna[1].endswith("0000") else "1111"))
    odd: list[tuple[tuple[tuple[str, str], ...], dict[str, str]]] = [
        ((), {}),
        ((wrong,), {}),
        ((berta,), {}),
        ((anna, anna), {}),
        ((("authorization", anna[1].replace("Bearer", "Basic")),), {}),
        ((("authorization", "Bearer a.b.c"),), {}),
        ((anna, ("content-length", "5")), {}),
        ((anna, ("transfer-encoding", "chunked")), {}),
        ((anna, ("if-none-match", "a"), ("if-none-match", "b")), {}),
        ((anna,), {"method": "HEAD"}),
        ((anna,), {"path": f"/api/videos/{asset_id(2)}/progress/"}),
        ((anna,), {"path": _URL + "more"}),
    ]
    assert asyncio.run(_all_of(outer, *odd)) == [_BY_ROUTES] * len(odd)
    assert outer.passed_on == len(odd)


def test_the_outer_end_is_not_reached_under_a_foreign_name(outer: Any) -> None:
    """H-08: DNS rebinding is refused before any key is looked at."""
    outer.app.state.listens_on = "127.0.0.1"

    async def asked() -> tuple[int, int]:
        await outer.get_ready()
        scope_host = ("host", "rebound.example")
        return await _foreign(outer, scope_host), await outer.ask(outer.keys["anna"])

    assert asyncio.run(asked()) == (_BY_ROUTES, 200)


async def _foreign(outer: Any, host: tuple[str, str]) -> int:
    key, statuses = outer.keys["anna"], []
    headers = [(name.encode(), text.encode()) for name, text in (host, key)]

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    scope = {"type": "http", "method": "GET", "path": _URL, "headers": headers, "app": outer.app, "client": None}
    await outer.lane(scope, None, send)
    return int(statuses[0])


def test_a_fault_of_the_outer_end_is_left_to_the_layers(outer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """H-08: they answer, and say what is wrong if it still is."""

    def broken(_subject: str) -> None:
        raise RuntimeError(_URL)

    outer.lane._rates = type("Broken", (), {"spend_at_once": staticmethod(broken)})
    assert asyncio.run(_all_of(outer, ((outer.keys["anna"],), {}))) == [_BY_ROUTES]
    said = capsys.readouterr().err
    assert "outer_lane_failed" in said
    assert asset_id(1) not in said


def test_one_that_fails_too_often_waits_at_the_outer_end_too(outer: Any) -> None:
    """H-05: a key that was never good from an address where others fail is for the layers to judge."""
    doorkeeper = outer.lane._doorkeeper
    for _ in range(10_000):
        doorkeeper._failures.failed("127.0.0.1")
    assert asyncio.run(_all_of(outer, ((outer.keys["anna"],), {}))) == [_BY_ROUTES]


def test_a_good_sign_in_is_counted_once_wherever_it_is_answered(container: Any) -> None:
    """H-07: the outer end counts what it answers, the gate the rest."""
    app, bearer = create_app(container), {"Authorization": f"Bearer {key_of(container, 'anna')}"}
    for _ in range(5):
        assert ask(app, _URL, headers=bearer).status_code == 200
    figures = render(container.metrics)[0].decode().splitlines()
    counted = [line for line in figures if "sign_ins_total{" in line and '"ok"' in line]
    assert [line.rpartition(" ")[2] for line in counted] == ["5.0"]
