"""H-04, H-05: of many decisions about one quarantined video one is made, whatever each reviewer saw before."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from opendrape.access.key_office import KeyOffice
from opendrape.bootstrap import Container
from opendrape.domain.access import Role
from opendrape.domain.states import AWAITING_A_DECISION, AssetState
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import Disposition, Failure, WorkKind
from opendrape.errors import IllegalTransition, OpenDrapeError
from opendrape.ports.video_shelf import Glance, VideoShelf
from opendrape_gateway.composition import create_app
from tests.fakes.door import whole_container
from tests.fakes.gateway import ask, asset_id, plan, register

AT_ONCE = 10
VIDEO = asset_id(1)
ADDRESS = f"/api/videos/{VIDEO}/"


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Container, Container]]:
    """Two processes' worth of containers on one database; video 1 is planned and quarantined and nobody's."""
    url = request.getfixturevalue("catalogue_url") if request.param == "PostgreSQL" else ""
    with ExitStack() as stack:
        first, second = (stack.enter_context(whole_container(tmp_path, catalogue={"url": url})) for _ in range(2))
        policy = first.policies.get("faces")
        first.policies.remember(policy)
        register(first.catalogue, 1, policy=policy.reference)
        plan(first.catalogue, (0, 300))
        quarantine(first)
        yield first, second


def quarantine(container: Container) -> None:
    lease = container.catalogue.claim({WorkKind.PLAN, WorkKind.MASK}, owner="test-0001", lease_seconds=600)
    assert lease is not None
    container.catalogue.fail(lease, Failure(reason="residual_found", disposition=Disposition.QUARANTINE))


@dataclass(frozen=True)
class Together:
    """Lets nobody go on who looked at a video before all have looked."""

    within: VideoShelf
    barrier: threading.Barrier

    def __getattr__(self, name: str) -> Any:
        return getattr(self.within, name)

    def glance(self, asset_id: str, owner: str | None) -> Glance | None:
        found = self.within.glance(asset_id, owner)
        if found is not None:
            self.barrier.wait(timeout=20)
        return found


def doors(replicas: tuple[Container, Container]) -> list[Any]:
    """A gateway of each replica; together they let ten look first."""
    barrier = threading.Barrier(AT_ONCE)
    return [
        create_app(replace(one, door=replace(one.door, videos=cast("VideoShelf", Together(one.door.videos, barrier)))))
        for one in replicas
    ]


def reviewers(container: Container) -> list[dict[str, str]]:
    """Ten people, none of whom owns the video."""
    office = KeyOffice(container.access, container.clock)
    keys = [office.issue(label="x", roles=[Role.REVIEWER], scopes=None, days=1, actor="test") for _ in range(AT_ONCE)]
    return [{"Authorization": f"Bearer {one.text}"} for one in keys]


def decide(app: Any, number: int, headers: dict[str, str], address: str = ADDRESS) -> int:
    """One of four decisions."""
    marks = {"regions": [{"x": 0, "y": 0, "width": 8 + number, "height": 8}]}
    match number % 4:
        case 0:
            answer = ask(app, f"{address}retry/", method="POST", headers=headers)
        case 1 | 2:
            answer = ask(app, f"{address}regions/", method="PUT", headers=headers, json=marks)
        case _:
            answer = ask(app, f"{address}cancel/", method="POST", headers=headers)
    return int(answer.status_code)


def test_of_ten_decisions_at_once_one_is_made(replicas: tuple[Container, Container]) -> None:
    """H-04: all ten saw it waiting; one retry or one set of marks is carried out; the others are told 409, and above
    all nobody cancels what another has just sent on its way.
    """
    apps, people = doors(replicas), reviewers(replicas[0])
    nowhere = f"/api/videos/{asset_id(2)}/"
    # routes are put together when first asked, which an app does on one thread only
    assert {decide(app, number, people[0], nowhere) for app in apps for number in range(4)} == {404}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = pool.map(lambda number: decide(apps[number % 2], number, people[number]), range(AT_ONCE))
        assert Counter(told) == {200: 1, 409: AT_ONCE - 1}
    asset = replicas[0].catalogue.asset(VIDEO)
    assert asset.state is AssetState.REGISTERED
    acts = [event.action for event in replicas[0].catalogue.audit_events(VIDEO)]
    assert acts.count("asset.registered") == 2  # the first one, and one decision


def _after_a_decision() -> dict[str, Callable[[Container, int], object]]:
    span, waiting = FrameSpan(0, 5), AWAITING_A_DECISION
    return {
        "retry": lambda one, _: one.catalogue.retry(VIDEO, actor="late", while_in=waiting),
        "cancel": lambda one, _: one.catalogue.cancel(VIDEO, actor="late", while_in=waiting),
        "mark": lambda one, _: one.segments.add(VIDEO, label="x", span=span, actor="late", while_in=waiting),
        "change": lambda one, known: one.segments.change(known, label="x", span=span, actor="late", while_in=waiting),
        "remove": lambda one, known: one.segments.remove(known, actor="late", while_in=waiting),
    }


@pytest.mark.parametrize("act", list(_after_a_decision()))
def test_an_act_that_comes_after_the_decision_changes_nothing(act: str, replicas: tuple[Container, Container]) -> None:
    """H-05: the state is asked where the act is done, under the lock of the video's row."""
    first, second = replicas
    known = first.segments.add(VIDEO, label="before", span=FrameSpan(0, 9), actor="test")
    first.catalogue.retry(VIDEO, actor="early", while_in=AWAITING_A_DECISION)
    with pytest.raises(IllegalTransition):
        _after_a_decision()[act](second, known.segment_id)
    assert first.catalogue.asset(VIDEO).state is AssetState.REGISTERED
    assert list(first.segments.of_asset(VIDEO)) == [known]
    assert "late" not in {event.actor for event in first.catalogue.audit_events()}


@pytest.mark.parametrize("act", ["mark", "change", "remove"])
def test_segments_and_a_decision_at_once_end_as_if_one_came_after_the_other(
    act: str, replicas: tuple[Container, Container]
) -> None:
    """H-04: ten at once against one retry: whoever was let in was let in before the retry; nothing is after it."""
    first = replicas[0]
    known = [first.segments.add(VIDEO, label="x", span=FrameSpan(0, 9), actor="test") for _ in range(AT_ONCE)]
    barrier = threading.Barrier(AT_ONCE + 1)

    def late(number: int) -> str:
        barrier.wait(timeout=20)
        try:
            _after_a_decision()[act](replicas[number % 2], known[number].segment_id)
        except OpenDrapeError as error:
            return error.reason
        return "done"

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        told = [pool.submit(late, number) for number in range(AT_ONCE)]
        barrier.wait(timeout=20)
        first.catalogue.retry(VIDEO, actor="early", while_in=AWAITING_A_DECISION)
        counts = Counter(one.result() for one in told)
    assert set(counts) <= {"done", "illegal_transition"}
    events = [(event.actor, event.action) for event in first.catalogue.audit_events(VIDEO)]
    assert sum(actor == "late" for actor, _ in events) == counts["done"]
    after = events[events.index(("early", "asset.registered")) :]
    assert "late" not in {actor for actor, _ in after}


def test_an_owner_may_cancel_what_a_reviewer_sent_on_its_way(replicas: tuple[Container, Container]) -> None:
    """H-05: the narrow rule is a reviewer's, not an owner's."""
    first = replicas[0]
    office = KeyOffice(first.access, first.clock)
    issued = office.issue(label="x", roles=[Role.USER], scopes=None, days=1, actor="test")
    first.door.owners.add(VIDEO, issued.key.client)
    first.catalogue.retry(VIDEO, actor="early", while_in=AWAITING_A_DECISION)
    headers = {"Authorization": f"Bearer {issued.text}"}
    assert ask(create_app(first), f"{ADDRESS}cancel/", method="POST", headers=headers).status_code == 200
