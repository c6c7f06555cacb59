"""O-03: the cluster over real servers in a storm: nothing lost, nothing doubled, nothing out unmasked or changed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from opendrape.bootstrap import Container
from tests.nemesis.disk_faults import against_the_disk, flip_in_blob, rot_in_container
from tests.nemesis.server_faults import against_servers
from tests.nemesis.stage import Place, Stage
from tests.servers.backends import DESTINATION, WORK, backends
from tests.servers.small_disk import small_disk


@pytest.mark.parametrize(
    ("seconds", "videos"),
    [
        pytest.param(60, 6, marks=pytest.mark.timeout(600)),
        pytest.param(600, 20, marks=[pytest.mark.long, pytest.mark.timeout(2400)]),
    ],
)
def test_nothing_is_lost_doubled_or_changed(
    seconds: int, videos: int, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03, V-16, D-02, D-03, D-05, H-09: kill, freeze, cut, flip, silence, full disk; every receipt fits the stored
    blob, which is the undisturbed result byte for byte; the audit is whole. Models run on Triton where it is there.
    """
    stage = Stage.set(tmp_path, models_dir, monkeypatch, videos=videos, seconds=seconds)
    with small_disk(tmp_path / "disk") as disk, backends(tmp_path / "servers", models_dir) as behind:
        azurite = behind.azurite
        assert azurite is not None
        faults = [*against_servers(behind), *against_the_disk(disk)]

        def place(_container: Container) -> Place:
            return Place(
                faults, rot_in_container(azurite, WORK), partial(flip_in_blob, azurite, DESTINATION, place=0.5)
            )

        uploads = {"OPENDRAPE_UPLOADS__FOLDER": str(tmp_path / "disk" / "uploads")}
        stage.rage(behind.environment | uploads, tmp_path / "disk", place)
