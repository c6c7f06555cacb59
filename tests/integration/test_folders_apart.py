"""Can outputs, originals, keys and work files get into each other's folders?"""

from __future__ import annotations

from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.errors import ConfigurationError
from opendrape.settings import Settings
from opendrape_ingest.scan import PreviewParts, scan


@pytest.mark.parametrize(
    ("state", "destination"),
    [
        ("state", "state"),
        ("state", "state/scratch"),
        ("state", "state/scratch/deeper"),
        ("state", "state/keys"),
        ("state", "state/work"),
        ("state", "state/models"),
        ("out/state", "out"),
        ("state", "link/scratch"),
    ],
)
def test_outputs_are_never_written_among_keys_nor_where_they_would_be_swept(
    state: str, destination: str, tmp_path: Path
) -> None:
    """P-04, D-01: whoever gets the outputs gets no key; the next start empties scratch. Nothing is made."""
    (tmp_path / "link").symlink_to("state")
    with pytest.raises(ConfigurationError) as refused:
        bootstrap(Settings(state_dir=tmp_path / state, destination=tmp_path / destination))
    assert refused.value.reason == "folders_overlap"
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_an_output_folder_of_its_own_beneath_the_state_folder_is_allowed(tmp_path: Path) -> None:
    """D-01: one mount for everything is a natural layout."""
    bootstrap(Settings(state_dir=tmp_path / "all", destination=tmp_path / "all" / "out")).close()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("out", "source_is_destination"),
        ("out/ar-1", "source_is_destination"),
        ("state", "folders_overlap"),
        ("state/scratch", "folders_overlap"),
        ("link", "source_is_destination"),
    ],
)
def test_outputs_and_work_files_are_never_taken_for_originals(source: str, reason: str, tmp_path: Path) -> None:
    """I-01: not even when somebody names them."""
    settings = Settings(state_dir=tmp_path / "state", destination=tmp_path / "out")
    for folder in ("out/ar-1", "state/scratch"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "link").symlink_to("out")
    container = bootstrap(settings)
    with container.resources:
        parts = PreviewParts(settings=settings, clock=container.clock)
        with pytest.raises(ConfigurationError) as refused:
            scan(parts, tmp_path / source, container.policies.get("minimal"), dry_run=True)
    assert refused.value.reason == reason
