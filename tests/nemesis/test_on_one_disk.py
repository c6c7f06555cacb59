"""O-03: processes that share one disk are killed, frozen and restarted while it is full and forgets bits; every video
comes home once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.bootstrap import Container
from tests.nemesis.disk_faults import against_the_disk, flip_in_file, rot_in_folder
from tests.nemesis.stage import Place, Stage
from tests.servers.fleet import shared_folders
from tests.servers.small_disk import small_disk


@pytest.mark.parametrize(
    ("seconds", "videos"),
    [
        pytest.param(30, 5, marks=pytest.mark.timeout(600)),
        pytest.param(600, 20, marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
def test_nothing_is_lost_doubled_or_changed(
    seconds: int, videos: int, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O-03, V-16, D-02, H-09: the result is the undisturbed one, byte for byte; the audit is whole. Catalogue, work,
    outputs, uploads and every process's own folder lie on the disk that is full at times.
    """
    stage = Stage.set(tmp_path, models_dir, monkeypatch, videos=videos, seconds=seconds)
    with small_disk(tmp_path / "disk") as disk:

        def place(container: Container) -> Place:
            out = container.settings.destination
            rot = rot_in_folder(container.settings.work_dir)
            return Place(against_the_disk(disk), rot, lambda name: flip_in_file(out / name, 0.5))

        stage.rage(shared_folders(tmp_path / "disk", models_dir), tmp_path / "disk", place)
