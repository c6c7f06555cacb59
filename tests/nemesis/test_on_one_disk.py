"""O-03: processes that share one disk are killed, frozen and restarted at random; every video comes home once."""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.settings import Settings
from tests.e2e.runs import write_policy
from tests.nemesis.faults import against_services
from tests.nemesis.judging import Judge
from tests.nemesis.storm import SEED, Arrivals, make_videos, sha256_of, storm, undisturbed
from tests.servers.fleet import fleet, shared_folders

LEASE_SECONDS = 4.0


@pytest.mark.parametrize("seconds", [20, pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(1500)])])
def test_nothing_is_lost_doubled_or_changed(
    seconds: int, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03, V-16: the result is the undisturbed one, byte for byte."""
    print(f"OPENDRAPE_TEST_SEED={SEED}")
    videos = make_videos(tmp_path / "source", 5)
    policies = write_policy(tmp_path / "policies")
    expected = undisturbed(tmp_path, models_dir, policies, monkeypatch)
    assert set(expected) == {sha256_of(video) for video in videos}
    environment = shared_folders(tmp_path, models_dir) | {"OPENDRAPE_POLICIES_DIR": str(policies)}
    for name, text in (environment | {"OPENDRAPE_STATE_DIR": str(tmp_path / "client")}).items():
        monkeypatch.setenv(name, text)
    with fleet(tmp_path, environment, maskers=2) as services:
        container = bootstrap(Settings())
        with container.resources:
            arrivals = Arrivals(container, container.policies.get("quick"), [v.parent for v in videos], seconds / 8)
            faults = against_services([*services.values()], lease_seconds=LEASE_SECONDS)
            struck = storm(arrivals, faults, seconds=seconds, seed=SEED)
            Judge(container, expected).judge(tmp_path)
    assert len(struck.struck) >= seconds / 10, "the storm was a breeze"
