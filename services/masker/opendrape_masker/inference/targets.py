"""What does a rendered model folder hold besides its graph, for each way of serving it? (V-17)"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from opendrape.errors import ConfigurationError
from opendrape_masker.inference.graph_names import IMAGES
from opendrape_masker.inference.rendered import RENDERER
from opendrape_masker.inference.repository import CONFIG_NAME, ModelFolder

SOURCE_SHA256 = "opendrape_source_sha256"
MODEL_SHA256 = "opendrape_model_sha256"
LABELS = "opendrape_labels"
_BACKEND = 'backend: "onnxruntime"'
_WARM_UP = (384, 640)
_VERSION_BITS = 62


class Target(StrEnum):
    """Who runs the rendered models: this process, Triton on a GPU node, Triton's Python backend on any processor."""

    ONNXRUNTIME = "onnxruntime"
    TRITON_ONNXRUNTIME = "triton-onnxruntime"
    TRITON_PYTHON = "triton-python"

    @classmethod
    def of(cls, place: Path) -> Target:
        """The target whose folder ``place`` is."""
        return cls(place.name)


def version_of(folder: ModelFolder) -> int:
    """The number under which Triton serves exactly this rendering: taken from lock, configuration and renderer.

    A request that names it is answered by this rendering or refused, whichever replica it reaches.
    """
    digest = hashlib.sha256(f"{RENDERER}:{folder.fingerprint}".encode()).digest()
    number = int.from_bytes(digest[:8], "big")
    return 1 + (number >> (64 - _VERSION_BITS))


def graph_path(folder: ModelFolder, target: Target) -> Path:
    """Where the graph lies inside the model's folder."""
    version = 1 if target is Target.ONNXRUNTIME else version_of(folder)
    return Path(str(version)) / "model.onnx"


def companions(folder: ModelFolder, target: Target, *, model_sha256: str, labels: str) -> dict[str, bytes]:
    """Every file beside graph, labels and record, by its path in the model's folder.

    ``ConfigurationError`` when the committed configuration is not one that can be turned to the target.
    """
    if target is Target.ONNXRUNTIME:
        return {CONFIG_NAME: folder.config}
    text = folder.config.decode()
    if text.count(_BACKEND) != 1:
        raise ConfigurationError(
            f"the configuration of model {folder.name} names no backend", reason="model_lock_invalid"
        )
    blocks = [*_told(folder, model_sha256, labels)]
    if target is Target.TRITON_ONNXRUNTIME:
        return {CONFIG_NAME: "\n".join([text.rstrip(), *blocks, *_for_a_gpu(folder), ""]).encode()}
    config = "\n".join([text.replace(_BACKEND, 'backend: "python"').rstrip(), *blocks, *_FOR_A_PROCESSOR, ""])
    return {CONFIG_NAME: config.encode(), f"{version_of(folder)}/model.py": _backend_model()}


def _told(folder: ModelFolder, model_sha256: str, labels: str) -> Iterator[str]:
    """What a client may ask the server about the model."""
    yield _parameter(SOURCE_SHA256, folder.lock.weights.sha256)
    yield _parameter(MODEL_SHA256, model_sha256)
    if labels:
        yield _parameter(LABELS, labels)


def _parameter(key: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'parameters {{ key: "{key}" value {{ string_value: "{quoted}" }} }}'


_FOR_A_PROCESSOR = ("instance_group [ { count: 1 kind: KIND_CPU } ]",)


def _for_a_gpu(folder: ModelFolder) -> Iterator[str]:
    """TensorRT with 32-bit arithmetic (masks stay those of other targets), engines kept, warm before ready."""
    yield "optimization { execution_accelerators { gpu_execution_accelerator : [ {"
    yield '  name: "tensorrt"'
    yield '  parameters { key: "precision_mode" value: "FP32" }'
    yield '  parameters { key: "trt_engine_cache_enable" value: "1" }'
    yield '  parameters { key: "trt_engine_cache_path" value: "/var/cache/opendrape-engines" }'
    yield "} ] } }"
    height, width = folder.lock.input.fixed_height or _WARM_UP[0], _WARM_UP[1]
    yield "model_warmup [ {"
    yield '  name: "one black picture" batch_size: 1'
    picture = f"data_type: TYPE_UINT8 dims: [ {height}, {width}, 3 ] zero_data: true"
    yield f'  inputs {{ key: "{IMAGES}" value {{ {picture} }} }}'
    yield "} ]"


def _backend_model() -> bytes:
    """The program that Triton's Python backend loads; it is never imported here."""
    return files("opendrape_masker.inference").joinpath("triton_backend_model.py").read_bytes()
