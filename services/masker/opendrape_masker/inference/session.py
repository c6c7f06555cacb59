"""How a batch of pictures becomes tensors in this process: the inference port on ONNX Runtime."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.inference.answers import check_batch, checked
from opendrape_masker.inference.graph_names import IMAGES
from opendrape_masker.inference.port import InferenceSession, Pictures, Tensors
from opendrape_masker.inference.rendered import (
    LABELS_NAME,
    MODEL_PATH,
    RenderedModel,
    read_record,
    read_verified,
    target_folder,
)

__all__ = ["InferenceSession", "OnnxRuntimeSession", "Pictures", "Tensors"]

# every error class of the runtime derives from Exception itself; taking them by module also maps future ones
_RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(kind for kind in vars(runtime_errors).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)
_LOG_FATAL_ONLY = 4
_LARGE_CALL_PIXELS = 400_000


@dataclass(frozen=True)
class _Loaded:
    record: RenderedModel
    runtime: Any


class OnnxRuntimeSession:
    """The port on ONNX Runtime, CPU, in this process. Models are loaded when first asked for.

    ``models_dir`` is what ``models sync`` filled. ``threads`` calls run at once, each on one core: two threads on one
    call cost a quarter to a half more processor time than two calls side by side. A call, waiting included, takes at
    most ``deadline_seconds``.
    """

    def __init__(self, models_dir: Path, threads: int, deadline_seconds: float) -> None:
        self._folder = target_folder(models_dir)
        self._deadline_seconds = deadline_seconds
        self._slots = threading.BoundedSemaphore(threads)
        self._loading = threading.Lock()
        self._loaded: dict[str, _Loaded] = {}

    def infer(self, model: str, batch: Pictures) -> Tensors:
        """See ``InferenceSession.infer``. ``ValueError`` for a batch that is not uint8 [N, H, W, 3] with N > 0."""
        check_batch(batch)
        loaded = self._load(model)
        until = time.monotonic() + self._deadline_seconds
        if not self._slots.acquire(timeout=self._deadline_seconds):
            raise InferenceFailed(f"model {model} is busy", reason="inference_timeout")
        try:
            answers = _run_until(loaded, batch, until)
        finally:
            self._slots.release()
        return checked(model, loaded.record.outputs, len(batch), answers)

    def source_digest(self, model: str) -> str | None:
        """See ``InferenceSession.source_digest``. Reads the record only; the graph is checked when it is loaded."""
        record = read_record(self._folder / model)
        return record.source_sha256 if record and (self._folder / model / MODEL_PATH).is_file() else None

    def labels(self, model: str) -> tuple[str, ...]:
        """See ``InferenceSession.labels``."""
        record = read_record(self._folder / model)
        if record is None or record.labels_sha256 is None:
            raise ModelMissing(f"model {model} has no character table")
        return tuple(read_verified(self._folder / model, LABELS_NAME, record.labels_sha256).decode().split("\n"))

    def _load(self, model: str) -> _Loaded:
        with self._loading:
            if model not in self._loaded:
                self._loaded[model] = _open(self._folder / model)
            return self._loaded[model]


def _open(folder: Path) -> _Loaded:
    record = read_record(folder)
    if record is None:
        raise ModelMissing(f"model {folder.name} is not materialised")
    content = read_verified(folder, str(MODEL_PATH), record.model_sha256)
    try:
        runtime = onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
    except _RUNTIME_ERRORS as error:
        raise ModelMissing(f"model {folder.name} cannot be loaded", reason="model_unusable") from error
    if not {output.name for output in record.outputs} <= {output.name for output in runtime.get_outputs()}:
        raise ModelMissing(f"model {folder.name} lacks an output", reason="model_unusable")
    return _Loaded(record=record, runtime=runtime)


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_FATAL_ONLY
    # planned memory is kept per picture size and doubles the footprint; it brings no speed here
    options.enable_mem_pattern = False
    return options


def _run_until(loaded: _Loaded, batch: Pictures, until: float) -> list[Any]:
    options = onnxruntime.RunOptions()
    if batch.size > 3 * _LARGE_CALL_PIXELS:
        # large looks are rare: give their memory back instead of holding it for the next one
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    watchdog = threading.Timer(max(0.0, until - time.monotonic()), setattr, (options, "terminate", True))
    watchdog.daemon = True
    watchdog.start()
    names = [output.name for output in loaded.record.outputs]
    try:
        answers: list[Any] = loaded.runtime.run(names, {IMAGES: np.ascontiguousarray(batch)}, options)
    except _RUNTIME_ERRORS as error:
        reason = "inference_timeout" if time.monotonic() >= until else "inference_failed"
        raise InferenceFailed(f"model {loaded.record.model} gave no answer", reason=reason) from error
    finally:
        watchdog.cancel()
    if time.monotonic() >= until:
        raise InferenceFailed(f"model {loaded.record.model} was too late", reason="inference_timeout")
    return answers
