"""What is on the stage of every storm: videos, what an undisturbed run makes of them, a fleet, faults, and a judge?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from opendrape.bootstrap import Container, bootstrap
from opendrape.settings import Settings
from tests.e2e.runs import write_policy
from tests.nemesis.clients import Arrivals, Door
from tests.nemesis.disk_faults import Rot
from tests.nemesis.faults import Fault, against_services
from tests.nemesis.judging import Judge
from tests.nemesis.storm import SEED, make_copy, make_videos, sha256_of, storm, undisturbed
from tests.servers.fleet import fleet, kept_running

LEASE_SECONDS = 4.0
_ORIGINALS = 4
_POLICY = "quick"


@dataclass(frozen=True)
class Place:
    """Where one storm rages: what it breaks besides the services, and how a published blob is changed by one bit."""

    faults: Sequence[Fault]
    rot: Rot
    flip: Callable[[str], object]


@dataclass(frozen=True)
class Stage:
    """``expected``: SHA-256 of the undisturbed output by the source's. ``seconds``: how long the storm lasts."""

    folder: Path
    models: Path
    policies: Path
    sources: Sequence[Path]
    expected: Mapping[str, str]
    seconds: float
    door: Door
    monkeypatch: pytest.MonkeyPatch

    @classmethod
    def set(cls, folder: Path, models: Path, monkeypatch: pytest.MonkeyPatch, *, videos: int, seconds: float) -> Stage:
        """Make the videos and run them in calm, each picture once; prints the seed."""
        print(f"OPENDRAPE_TEST_SEED={SEED}")
        originals, policies = make_videos(folder / "source", min(videos, _ORIGINALS)), write_policy(folder / "policies")
        expected = undisturbed(folder, models, policies, monkeypatch)
        assert set(expected) == {sha256_of(video) for video in originals}
        sources = list(originals)
        for number in range(len(originals), videos):
            like = originals[number % len(originals)]
            sources.append(make_copy(like, folder / "copies" / f"{number}", number))
            expected[sha256_of(sources[-1])] = expected[sha256_of(like)]
        assert len(expected) == videos
        door = Door.with_new_key(folder)
        return cls(folder, models, policies, sources, expected, seconds, door, monkeypatch)

    def rage(self, environment: Mapping[str, str], states: Path, place: Callable[[Container], Place]) -> None:
        """Two maskers and all others as processes, the storm, and the judge. ``states``: where their folders lie."""
        given = {**environment, **self.door.environment, "OPENDRAPE_POLICIES_DIR": str(self.policies)}
        for name, text in (given | {"OPENDRAPE_STATE_DIR": str(self.folder / "client")}).items():
            self.monkeypatch.setenv(name, text)
        with fleet(self.folder, given, maskers=2, states=states) as services:
            container = bootstrap(Settings())
            with container.resources, kept_running(services.values()) as revived:
                here = place(container)
                faults = against_services([*services.values()], lease_seconds=LEASE_SECONDS)
                arrivals = self._arrivals(container, services["gateway"].port)
                struck = storm(arrivals, [*faults, *here.faults, here.rot.fault()], seconds=self.seconds, seed=SEED)
                print(Counter(struck.struck), "refused:", Counter(arrivals.refused), "ended by themselves:", revived)
                Judge(container, self.expected, here.flip, here.rot.victims).judge(self.folder)
        assert len(struck.struck) >= self.seconds / 10, "the storm was a breeze"

    def _arrivals(self, container: Container, port: int) -> Arrivals:
        send = partial(self.door.send, port, policy=_POLICY)
        folders, pause = [video.parent for video in self.sources], 0.65 * self.seconds / len(self.sources)
        return Arrivals(container, container.policies.get(_POLICY), folders, pause, door=send)
