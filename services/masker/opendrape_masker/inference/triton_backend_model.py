"""How does Triton's Python backend run a rendered graph? This file is copied beside the graph and run by the server.

It stands alone: numpy, ONNX Runtime and Triton's own module are all that the server's Python has.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
import triton_python_backend_utils as triton

_IMAGES = "images"
_DIGEST = "opendrape_model_sha256"


class TritonPythonModel:
    """One instance of one model: one request at a time on one core."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph, if it is the one that was rendered; otherwise the model never becomes ready."""
        config = json.loads(args["model_config"])
        graph = Path(args["model_repository"], args["model_version"], "model.onnx").read_bytes()
        if hashlib.sha256(graph).hexdigest() != config["parameters"][_DIGEST]["string_value"]:
            raise triton.TritonModelException("the graph is not the one that was rendered")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_mem_pattern = False
        self._outputs = [output["name"] for output in config["output"]]
        self._runtime = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer per request, an error where there is none; batches are made by the clients."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        pictures = triton.get_input_tensor_by_name(request, _IMAGES).as_numpy()
        options = onnxruntime.RunOptions()
        # a client that has given up must not keep the core busy; without a time-out it is waited for
        limit = request.timeout() / 1e6
        watchdog = threading.Timer(limit, setattr, (options, "terminate", True)) if limit else None
        try:
            if watchdog is not None:
                watchdog.daemon = True
                watchdog.start()
            answers = self._runtime.run(self._outputs, {_IMAGES: numpy.ascontiguousarray(pictures)}, options)
        except Exception as error:  # noqa: BLE001 - the edge of the server: told to the client by its kind only
            return triton.InferenceResponse([], triton.TritonError(f"no answer ({type(error).__name__})"))
        finally:
            if watchdog is not None:
                watchdog.cancel()
        return triton.InferenceResponse(
            [triton.Tensor(name, answer) for name, answer in zip(self._outputs, answers, strict=True)]
        )
