"""O-03: the cluster over real servers in a storm: nothing lost, nothing doubled, nothing out unmasked or changed."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.settings import Settings
from tests.e2e.runs import write_policy
from tests.nemesis.clients import Arrivals, Door
from tests.nemesis.disk_faults import against_the_disk, flip_in_blob, rot_in_container
from tests.nemesis.faults import against_services
from tests.nemesis.judging import Judge
from tests.nemesis.server_faults import against_servers
from tests.nemesis.storm import SEED, make_videos, sha256_of, storm, undisturbed
from tests.servers.backends import DESTINATION, WORK, backends
from tests.servers.fleet import fleet
from tests.servers.small_disk import small_disk

LEASE_SECONDS = 4.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seconds", "videos"), [(60, 6), pytest.param(600, 20, marks=[pytest.mark.long, pytest.mark.timeout(2400)])]
)
def test_nothing_is_lost_doubled_or_changed(
    seconds: int, videos: int, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03, V-16, D-02, D-03, D-05, H-09: kill, freeze, cut, flip, silence, full disk; every receipt fits the stored
    blob, which is the undisturbed result byte for byte; the audit is whole.
    """
    print(f"OPENDRAPE_TEST_SEED={SEED}")
    sources = make_videos(tmp_path / "source", videos)
    policies = write_policy(tmp_path / "policies")
    expected = undisturbed(tmp_path, models_dir, policies, monkeypatch)
    assert set(expected) == {sha256_of(video) for video in sources}
    with (
        small_disk(tmp_path / "disk") as disk,
        backends(tmp_path / "servers", models_dir, with_triton=False) as behind,
    ):
        door, uploads = Door.with_new_key(tmp_path), {"OPENDRAPE_UPLOADS__FOLDER": str(tmp_path / "disk" / "uploads")}
        environment = behind.environment | door.environment | uploads | {"OPENDRAPE_POLICIES_DIR": str(policies)}
        for name, text in (environment | {"OPENDRAPE_STATE_DIR": str(tmp_path / "client")}).items():
            monkeypatch.setenv(name, text)
        with fleet(tmp_path, environment, maskers=2, states=tmp_path / "disk") as services:
            container = bootstrap(Settings())
            with container.resources:
                send = partial(door.send, services["gateway"].port, policy="quick")
                folders = [video.parent for video in sources]
                arrivals = Arrivals(
                    container, container.policies.get("quick"), folders, 0.7 * seconds / videos, door=send
                )
                assert behind.azurite is not None
                rot = rot_in_container(behind.azurite, WORK)
                faults = [
                    *against_services([*services.values()], lease_seconds=LEASE_SECONDS),
                    *against_servers(behind),
                    *against_the_disk(disk),
                    rot.fault(),
                ]
                struck = storm(arrivals, faults, seconds=seconds, seed=SEED).struck
                print(Counter(struck), "refused:", Counter(arrivals.refused))
                flip = partial(flip_in_blob, behind.azurite, DESTINATION, place=0.5)
                Judge(container, expected, flip, rot.victims).judge(tmp_path)
    assert len(struck) >= seconds / 10, "the storm was a breeze"
