"""V-15: what the self-test cannot do is said with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from opendrape.errors import ConfigurationError
from opendrape_masker.orders import Limits
from opendrape_masker.selftest.insert_child import insert
from opendrape_masker.selftest.orders import InsertOrder
from opendrape_masker.synthetic.suite import SuiteTruth


def order(folder: Path) -> InsertOrder:
    limits = Limits(max_pixels=10**7, max_frames=10**4, max_duration_seconds=100, max_streams=8)
    return InsertOrder(
        clip=None,
        width=320,
        height=180,
        seconds=1,
        seed=1,
        events=2,
        photographs=None,
        limits=limits,
        threads=1,
        video=folder / "v.mp4",
        truth=folder / "t.json",
    )


def test_a_machine_without_the_photographs_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra `sample` is not part of every image."""
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(ConfigurationError) as error:
        insert(order(tmp_path).model_dump(mode="json"), lambda _message: None)
    assert error.value.reason == "photographs_missing"


def test_the_truth_survives_its_file_and_has_a_box_list_for_every_frame(tmp_path: Path) -> None:
    """Progress is told frame by frame; what is judged later is what was drawn."""
    told: list[float] = []
    answer = insert(order(tmp_path).model_dump(mode="json"), lambda message: told.append(message["progress"]))
    truth = SuiteTruth.read(tmp_path / "t.json")
    assert answer == {"frames": 30, "width": 320, "height": 180}
    assert len(truth.frames) == len(told) == 30
    assert told[-1] == 1.0
    labels = {box.label for boxes in truth.frames for box in boxes}
    assert labels <= {one.name for one in truth.appearances}
    truth.write(tmp_path / "again.json")
    assert SuiteTruth.read(tmp_path / "again.json") == truth
