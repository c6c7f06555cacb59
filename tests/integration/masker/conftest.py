"""Which clip and bench the tests of the engine share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.masker.workbench import Bench, Clip, clip_of_groups, moving_pattern


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Three seconds of a moving test pattern."""
    return moving_pattern(tmp_path_factory.mktemp("clip") / "pattern.mp4")


@pytest.fixture(scope="session")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Eight seconds, a closed group of pictures each."""
    return clip_of_groups(tmp_path_factory.mktemp("groups") / "clip.mp4")


@pytest.fixture
def bench(clip: Clip, tmp_path: Path) -> Bench:
    """A bench on the clip with its own folder."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return Bench(clip, folder)
