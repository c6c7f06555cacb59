"""Is every committed model folder whole: pinned, licensed, in Triton's layout, and nothing more?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from opendrape.domain.policy import Role
from opendrape.errors import ConfigurationError
from opendrape_masker.detectors.detection import THINGS_OF
from opendrape_masker.inference.repository import MirrorSource, ModelFolder, UrlSource, read_repository, served_folders
from tests.fakes.tiny_models import add_model, plain_graph

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = read_repository(ROOT / "model_repository")
OPEN_LICENCES = {"Apache-2.0", "MIT", "BSD-3-Clause"}


def test_roles_are_answered_in_order_of_preference() -> None:
    """V-17: roles, not names; the quick face detector first, an independent one after it."""
    names = [folder.name for folder in FOLDERS if folder.lock.role is Role.FACE]
    assert names == ["face_yunet_n", "face_centerface"]
    assert {Role.TEXT, Role.TEXT_RECOGNITION} <= {folder.lock.role for folder in FOLDERS}


@pytest.mark.parametrize("role", [Role.PERSON_VEHICLE, Role.SCREEN])
def test_people_vehicles_and_screens_come_from_one_network_and_are_checked_by_another(role: Role) -> None:
    """V-01, V-15: two families; the first one has a public address, so that `full` needs no mirror."""
    first, second = served_folders((ROOT / "model_repository",), role, _pinned)
    assert (first.name, second.name) == ("things_yolox_nano", "things_nanodet_m")
    assert first.lock.decoder != second.lock.decoder
    assert isinstance(first.lock.source[0], UrlSource)


def _pinned(name: str) -> str:
    return next(folder.lock.weights.sha256 for folder in FOLDERS if folder.name == name)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_a_role_reports_is_in_the_lock(folder: ModelFolder) -> None:
    """V-01: a network of many classes says which of them is which thing, for every role it answers for."""
    if folder.lock.classes:
        assert set(folder.lock.classes) == {thing for role in folder.lock.roles for thing in THINGS_OF[role]}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_pins_its_source_its_licence_and_tells_about_it(folder: ModelFolder) -> None:
    """V-17: an open licence, a commit in every address, a page for people."""
    page = (folder.path / "README.md").read_text("utf-8")
    assert folder.lock.licence in OPEN_LICENCES
    for source in folder.lock.source:
        if isinstance(source, UrlSource):
            assert re.match(r"https://.*/[0-9a-f]{40}/", source.url)
        if isinstance(source, MirrorSource):
            assert re.match(r"https://.*/[0-9a-f]{40}/", source.origin)
            assert "comes from a mirror only" in " ".join(page.split())
    assert folder.lock.licence in page
    assert folder.lock.weights.sha256[:12] in page


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_triton_configuration_says_the_same_as_the_lock(folder: ModelFolder) -> None:
    """V-17: one folder for both ways of serving."""
    text = folder.config.decode()
    assert f'name: "{folder.name}"' in text
    assert f"max_batch_size: {folder.lock.max_batch}" in text
    tensors = re.findall(r'\{ name: "(\w+)" data_type: (\w+) dims: \[ ([-\d, ]+) \] \}', text)
    height = folder.lock.input.fixed_height or -1
    wanted = [("images", "TYPE_UINT8", f"{height}, -1, 3")]
    wanted += [(out.name, "TYPE_FP32", ", ".join(map(str, out.dims))) for out in folder.lock.output]
    assert tensors == wanted


def test_no_weights_are_committed() -> None:
    """V-17: the repository holds words, not weights."""
    listed = subprocess.run(
        ["git", "ls-files", "model_repository"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    suffixes = {Path(name).suffix for name in listed.stdout.splitlines()}
    assert suffixes <= {".lock", ".pbtxt", ".md"}


@pytest.mark.parametrize("broken", ["version = 2", "[weights", 'role = "unheard-of"'])
def test_a_lock_that_cannot_be_read_stops_everything(tmp_path: Path, broken: str) -> None:
    """V-17: no half-understood model is ever used."""
    folder = add_model(tmp_path, "tiny", plain_graph())
    (folder / "weights.lock").write_text(broken, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_repository(tmp_path)
    assert caught.value.reason == "model_lock_invalid"


def test_a_folder_without_its_configuration_or_a_repository_without_models_is_refused(tmp_path: Path) -> None:
    """V-17: missing means stop."""
    with pytest.raises(ConfigurationError, match="holds no model"):
        read_repository(tmp_path)
    with pytest.raises(ConfigurationError, match="not a folder"):
        read_repository(tmp_path / "nowhere")
    (add_model(tmp_path, "tiny", plain_graph()) / "config.pbtxt").unlink()
    with pytest.raises(ConfigurationError, match=r"has no config\.pbtxt"):
        read_repository(tmp_path)


@pytest.fixture
def two_places(tmp_path: Path) -> tuple[Path, Path]:
    """A site's folder and ours; the site's models have the worse preferences."""
    ours, site = tmp_path / "ours", tmp_path / "site"
    add_model(ours, "quick", b"1", preference=1)
    add_model(ours, "careful", b"2", preference=2)
    add_model(site, "big", b"3", preference=9)
    add_model(site, "careful", b"4", preference=8)
    return site, ours


def test_a_sites_own_models_are_asked_first_and_hide_ours_of_the_same_name(two_places: tuple[Path, Path]) -> None:
    """V-17: a folder outside the repository, whatever the preferences say; the list keeps every name once."""
    folders = {folder.name: folder for folder in read_repository(two_places)}
    served = served_folders(two_places, Role.FACE, lambda name: folders[name].lock.weights.sha256)
    assert [folder.name for folder in served] == ["careful", "big", "quick"]
    assert served[0].path == two_places[0] / "careful"


def test_an_empty_site_folder_is_a_mistake(two_places: tuple[Path, Path], tmp_path: Path) -> None:
    """V-17: a mount that failed must not silently bring back our models."""
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigurationError):
        read_repository((empty, two_places[1]))


def test_weights_may_answer_for_further_roles(tmp_path: Path) -> None:
    """V-17: one network, several roles."""
    folder = add_model(tmp_path, "tiny", plain_graph(), role="screen")
    lock = folder / "weights.lock"
    lock.write_text(lock.read_text("utf-8").replace('role = "screen"', 'role = "screen"\nalso = ["plate"]'), "utf-8")
    for role in (Role.SCREEN, Role.PLATE):
        assert [
            one.name
            for one in served_folders(tmp_path, role, lambda _: read_repository(tmp_path)[0].lock.weights.sha256)
        ]
    assert served_folders(tmp_path, Role.FACE, lambda _: "") == []
