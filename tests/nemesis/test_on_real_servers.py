"""O-03: the cluster over real servers in a storm: nothing lost, nothing doubled, nothing out unmasked or changed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.settings import Settings
from tests.e2e.runs import write_policy
from tests.nemesis.faults import against_services
from tests.nemesis.judging import Judge
from tests.nemesis.server_faults import against_servers
from tests.nemesis.storm import SEED, Arrivals, make_videos, sha256_of, storm, undisturbed
from tests.servers.backends import backends
from tests.servers.fleet import fleet

LEASE_SECONDS = 4.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seconds", "videos"), [(60, 6), pytest.param(600, 30, marks=[pytest.mark.long, pytest.mark.timeout(2400)])]
)
def test_nothing_is_lost_doubled_or_changed(
    seconds: int, videos: int, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03, V-16, D-02, D-03: kill, freeze, cut, flip, silence; every receipt fits the stored blob, which is the
    undisturbed result byte for byte.
    """
    print(f"OPENDRAPE_TEST_SEED={SEED}")
    sources = make_videos(tmp_path / "source", videos)
    policies = write_policy(tmp_path / "policies")
    expected = undisturbed(tmp_path, models_dir, policies, monkeypatch)
    assert set(expected) == {sha256_of(video) for video in sources}
    with backends(tmp_path / "servers", models_dir, with_triton=False) as behind:
        environment = behind.environment | {"OPENDRAPE_POLICIES_DIR": str(policies)}
        for name, text in (environment | {"OPENDRAPE_STATE_DIR": str(tmp_path / "client")}).items():
            monkeypatch.setenv(name, text)
        with fleet(tmp_path, environment, maskers=2) as services:
            container = bootstrap(Settings())
            with container.resources:
                arrivals = Arrivals(
                    container, container.policies.get("quick"), [v.parent for v in sources], 0.7 * seconds / videos
                )
                faults = [
                    *against_services([*services.values()], lease_seconds=LEASE_SECONDS),
                    *against_servers(behind),
                ]
                struck = storm(arrivals, faults, seconds=seconds, seed=SEED).struck
                print(Counter(struck))
                Judge(container, expected).judge(tmp_path)
    assert len(struck) >= seconds / 10, "the storm was a breeze"
