"""Are models whose files were altered found before any video is touched?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from opendrape.cli import models
from opendrape.cli.configuration import policy_named
from opendrape.cli.models import prepare_models
from opendrape.cli.terminal import Terminal
from opendrape.errors import ModelMissing
from opendrape.settings import Settings
from tests.e2e.runs import write_policy

pytestmark = pytest.mark.models

QUIET = Terminal(as_json=False, quiet=True)


@pytest.fixture
def settings(models_dir: Path, tmp_path: Path) -> Settings:
    """A state folder with models of its own, and a policy that wants faces."""
    shutil.copytree(models_dir, tmp_path / "state" / "models")
    return Settings(state_dir=tmp_path / "state", policies_dir=write_policy(tmp_path / "policies"))


def face_models(settings: Settings) -> list[Path]:
    return sorted(settings.models_dir.glob("*/face_*/1/model.onnx"))


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_whole_models_are_left_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-01: nothing is fetched for them."""
    monkeypatch.setattr(models, "fetch", None)
    prepare_models(QUIET, settings, policy_named(settings, "quick"))


def test_one_wrong_byte_stops_the_start_when_the_weights_are_out_of_reach(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-01, D-06: for each model of the role by itself; else every video of the batch would fail by it, one by one."""
    asked: list[frozenset[str]] = []
    monkeypatch.setattr(models, "fetch", lambda _settings, roles, _terminal: asked.append(roles))
    for path in face_models(settings):
        whole = path.read_bytes()
        flip_a_byte(path)
        with pytest.raises(ModelMissing) as refused:
            prepare_models(QUIET, settings, policy_named(settings, "quick"))
        assert refused.value.reason == "model_altered"
        path.write_bytes(whole)
    assert asked
    assert set(asked) == {frozenset({"face"})}


def test_an_altered_model_is_made_anew_when_it_can_be(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-01."""
    (path, *_) = face_models(settings)
    whole = path.read_bytes()
    flip_a_byte(path)
    monkeypatch.setattr(models, "fetch", lambda *_: path.write_bytes(whole))
    prepare_models(QUIET, settings, policy_named(settings, "quick"))
    assert path.read_bytes() == whole
