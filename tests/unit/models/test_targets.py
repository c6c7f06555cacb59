"""V-17: does one committed folder become the right files for each way of serving it?"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from opendrape.domain.policy import Role
from opendrape.errors import ConfigurationError
from opendrape_masker.inference.rendered import read_record
from opendrape_masker.inference.repository import ModelFolder, read_repository
from opendrape_masker.inference.targets import LABELS, MODEL_SHA256, SOURCE_SHA256, Target, companions, version_of
from opendrape_masker.models_sync import is_materialised, main, sync
from tests.fakes.tiny_models import add_model, plain_graph

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = read_repository(ROOT / "model_repository")
TRITON = (Target.TRITON_ONNXRUNTIME, Target.TRITON_PYTHON)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository of one model with a table of characters, and a mirror beside it."""
    add_model(tmp_path / "repository", "tiny", plain_graph())
    (tmp_path / "tiny.onnx").write_bytes(plain_graph())
    return tmp_path


def rendered(place: Path, target: Target) -> Path:
    sync(place / "repository", place / "models", mirror=place, target=target)
    return place / "models" / str(target) / "tiny"


def the_folder(place: Path) -> ModelFolder:
    return read_repository(place / "repository")[0]


def test_all_targets_hold_the_same_graph(place: Path) -> None:
    """V-17: same digests, wherever it runs; the second target needs no source any more."""
    graphs = []
    for target in Target:
        record = read_record(rendered(place, target))
        assert record is not None
        (graph,) = (place / "models" / str(target) / "tiny").glob("*/model.onnx")
        graphs.append((hashlib.sha256(graph.read_bytes()).hexdigest(), record.model_sha256))
        (place / "tiny.onnx").unlink(missing_ok=True)
    assert {digest for pair in graphs for digest in pair} == {graphs[0][0]}


@pytest.mark.parametrize("target", TRITON)
def test_triton_is_told_digests_and_characters(place: Path, target: Target) -> None:
    """V-17: a server can be asked what it serves."""
    folder = rendered(place, target)
    config = text_format.Parse((folder / "config.pbtxt").read_text("utf-8"), model_config_pb2.ModelConfig())
    told = {key: value.string_value for key, value in config.parameters.items()}
    record = read_record(folder)
    assert record is not None
    assert told == {SOURCE_SHA256: record.source_sha256, MODEL_SHA256: record.model_sha256, LABELS: "a\nb"}
    assert config.backend == ("python" if target is Target.TRITON_PYTHON else "onnxruntime")
    assert (folder / str(version_of(the_folder(place))) / "model.py").is_file() == (target is Target.TRITON_PYTHON)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("target", TRITON)
def test_every_committed_model_can_be_turned_to_triton(folder: ModelFolder, target: Target) -> None:
    """V-17: the result is a configuration in the eyes of Triton's own schema, warm before ready on a GPU."""
    text = companions(folder, target, model_sha256="0" * 64, labels='a\n"\\\né')["config.pbtxt"].decode()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.name, config.max_batch_size) == (folder.name, folder.lock.max_batch)
    assert config.parameters[LABELS].string_value == 'a\n"\\\né'
    on_gpu = target is Target.TRITON_ONNXRUNTIME
    assert len(config.model_warmup) == on_gpu
    assert [each.name for each in config.optimization.execution_accelerators.gpu_execution_accelerator] == (
        ["tensorrt"] if on_gpu else []
    )
    if on_gpu and folder.lock.input.fixed_height:
        assert config.model_warmup[0].inputs["images"].dims[0] == folder.lock.input.fixed_height


def test_the_version_changes_with_everything_that_the_rendering_depends_on(place: Path) -> None:
    """V-17: a request for this version cannot be answered by another rendering."""
    before = version_of(the_folder(place))
    assert 0 < before < 2**63
    lock = place / "repository" / "tiny" / "weights.lock"
    lock.write_text(lock.read_text("utf-8").replace("mean = [1.0", "mean = [0.0"), "utf-8")
    assert version_of(the_folder(place)) != before
    assert len({version_of(folder) for folder in FOLDERS}) == len(FOLDERS)


@pytest.mark.parametrize("name", ["config.pbtxt", "model.py", "model.onnx", "labels.txt"])
def test_an_altered_file_is_found_and_made_again(place: Path, name: str) -> None:
    """V-17: also the program that the server runs, and what it is told."""
    folder = rendered(place, Target.TRITON_PYTHON)
    (altered,) = folder.rglob(name)
    whole = altered.read_bytes()
    altered.write_bytes(whole + b"\n")
    assert not is_materialised(the_folder(place), folder.parent)
    rendered(place, Target.TRITON_PYTHON)
    assert altered.read_bytes() == whole
    assert is_materialised(the_folder(place), folder.parent)


def test_a_configuration_without_our_backend_is_refused(place: Path) -> None:
    """V-17: nothing is guessed about a site's own folder."""
    config = place / "repository" / "tiny" / "config.pbtxt"
    config.write_text(config.read_text("utf-8").replace("onnxruntime", "tensorflow"), "utf-8")
    with pytest.raises(ConfigurationError, match="names no backend"):
        rendered(place, Target.TRITON_PYTHON)
    assert rendered(place, Target.ONNXRUNTIME).is_dir()


def test_the_command_takes_a_target(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """V-17."""
    given = ["--repository", str(place / "repository"), "--models-dir", str(place / "models"), "--mirror", str(place)]
    assert main([*given, "--role", str(Role.FACE), "--target", "triton-python"]) == 0
    assert re.search(r"synced +tiny", capsys.readouterr().out)
    assert (place / "models" / "triton-python" / "tiny" / "rendered.json").is_file()
