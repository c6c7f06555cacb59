"""O-03: processes that share one disk are killed, frozen and restarted while it is full and forgets bits; every video
comes home once.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.settings import Settings
from tests.e2e.runs import write_policy
from tests.nemesis.clients import Arrivals, Door
from tests.nemesis.disk_faults import against_the_disk, flip_in_file, rot_in_folder
from tests.nemesis.faults import against_services
from tests.nemesis.judging import Judge
from tests.nemesis.storm import SEED, make_videos, sha256_of, storm, undisturbed
from tests.servers.fleet import fleet, shared_folders
from tests.servers.small_disk import small_disk

LEASE_SECONDS = 4.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seconds", "videos"), [(30, 5), pytest.param(600, 20, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_nothing_is_lost_doubled_or_changed(
    seconds: int, videos: int, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03, V-16, D-02, H-09: the result is the undisturbed one, byte for byte; the audit is whole. Catalogue, work,
    outputs, uploads and every process's own folder lie on the disk that is full at times.
    """
    print(f"OPENDRAPE_TEST_SEED={SEED}")
    sources = make_videos(tmp_path / "source", videos)
    policies = write_policy(tmp_path / "policies")
    expected = undisturbed(tmp_path, models_dir, policies, monkeypatch)
    assert set(expected) == {sha256_of(video) for video in sources}
    with small_disk(tmp_path / "disk") as disk:
        shared, door = shared_folders(tmp_path / "disk", models_dir), Door.with_new_key(tmp_path)
        environment = shared | door.environment | {"OPENDRAPE_POLICIES_DIR": str(policies)}
        for name, text in (environment | {"OPENDRAPE_STATE_DIR": str(tmp_path / "client")}).items():
            monkeypatch.setenv(name, text)
        with fleet(tmp_path, environment, maskers=2, states=tmp_path / "disk") as services:
            container = bootstrap(Settings())
            with container.resources:
                send = partial(door.send, services["gateway"].port, policy="quick")
                folders = [video.parent for video in sources]
                arrivals = Arrivals(
                    container, container.policies.get("quick"), folders, 0.6 * seconds / videos, door=send
                )
                rot = rot_in_folder(container.settings.work_dir)
                faults = [
                    *against_services([*services.values()], lease_seconds=LEASE_SECONDS),
                    *against_the_disk(disk),
                    rot.fault(),
                ]
                struck = storm(arrivals, faults, seconds=seconds, seed=SEED).struck
                print(Counter(struck), "refused:", Counter(arrivals.refused))
                out = container.settings.destination
                Judge(container, expected, lambda name: flip_in_file(out / name, 0.5), rot.victims).judge(tmp_path)
    assert len(struck) >= seconds / 10, "the storm was a breeze"
