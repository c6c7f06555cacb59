"""How a published graph becomes one that takes uint8 pictures: free sizes, and pre-processing inside (V-17)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper

from opendrape.errors import ConfigurationError
from opendrape_masker.inference.graph_names import IMAGES
from opendrape_masker.inference.repository import GraphInput, GraphOutput, WeightsLock

_PREFIX = "opendrape_"


def render_graph(source: bytes, lock: WeightsLock) -> bytes:
    """The same network with input ``images`` uint8 [N, H, W, 3] BGR and the outputs the lock names.

    The bytes are the same for the same input and version of ONNX. Raises ``ConfigurationError`` when the graph is
    not the one that the lock describes.
    """
    try:
        model = onnx.load_model_from_string(source)
        _check_names(model.graph, lock)
        _keep_outputs(model.graph, lock.output)
        _take_pictures(model.graph, lock.input)
        _drop_unreached(model.graph)
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ConfigurationError("the weights are not a usable ONNX graph", reason="model_graph_invalid") from error
    return bytes(model.SerializeToString(deterministic=True))


def labels_of(source: bytes) -> tuple[str, ...]:
    """The character table that recognition models carry in their metadata; empty when there is none."""
    model = onnx.load_model_from_string(source)
    found = [entry.value for entry in model.metadata_props if entry.key == "character"]
    return tuple(found[0].split("\n")) if found else ()


def _check_names(graph: onnx.GraphProto, lock: WeightsLock) -> None:
    produced = {name for node in graph.node for name in node.output}
    inputs = {entry.name for entry in graph.input}
    if lock.input.name not in inputs or any(output.source not in produced for output in lock.output):
        raise ConfigurationError("the graph lacks a tensor that the lock names", reason="model_graph_invalid")


def _keep_outputs(graph: onnx.GraphProto, outputs: Iterable[GraphOutput]) -> None:
    del graph.output[:]
    del graph.value_info[:]
    for output in outputs:
        if output.unbatched:
            _add_batch_axis(graph, output)
        else:
            _rename(graph, output.source, output.name)
        sizes = ["batch", *(size if size > 0 else f"{output.name}_{axis}" for axis, size in enumerate(output.dims))]
        graph.output.append(helper.make_tensor_value_info(output.name, TensorProto.FLOAT, sizes))


def _add_batch_axis(graph: onnx.GraphProto, output: GraphOutput) -> None:
    alone, shape = f"{_PREFIX}{output.name}_alone", f"{_PREFIX}{output.name}_shape"
    _rename(graph, output.source, alone)
    graph.initializer.append(numpy_helper.from_array(np.array([1, *output.dims], dtype=np.int64), shape))
    graph.node.append(helper.make_node("Reshape", [alone, shape], [output.name], name=shape))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name == old:
                    names[position] = new


def _take_pictures(graph: onnx.GraphProto, facts: GraphInput) -> None:
    inner = _PREFIX + "planes"
    _rename(graph, facts.name, inner)
    _replace_input(graph, facts)
    nodes, tensors = _preprocessing(facts, inner)
    old = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *old])
    graph.initializer.extend(tensors)


def _replace_input(graph: onnx.GraphProto, facts: GraphInput) -> None:
    initialised = {tensor.name for tensor in graph.initializer}
    others = [entry for entry in graph.input if entry.name not in initialised and entry.name != facts.name]
    if others:
        raise ConfigurationError("the graph has more than one input", reason="model_graph_invalid")
    del graph.input[:]
    sizes = ["batch", facts.fixed_height or "height", "width", 3]
    graph.input.append(helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, sizes))


def _preprocessing(facts: GraphInput, target: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Transpose while it is still bytes, then cast, then arithmetic: the cheapest order. Steps that do nothing go."""
    steps: list[tuple[str, dict[str, Any], np.ndarray | None]] = [("Transpose", {"perm": [0, 3, 1, 2]}, None)]
    if facts.channel_order == "rgb":
        steps.append(("Gather", {"axis": 1}, np.array([2, 1, 0], dtype=np.int64)))
    steps.append(("Cast", {"to": TensorProto.FLOAT}, None))
    if any(facts.mean):
        steps.append(("Sub", {}, np.array(facts.mean, dtype=np.float32).reshape(1, 3, 1, 1)))
    if any(scale != 1 for scale in facts.scale):
        steps.append(("Mul", {}, np.array(facts.scale, dtype=np.float32).reshape(1, 3, 1, 1)))
    if facts.stretch is not None:
        # one picture: the sizes are constants
        sizes = np.array([1, 3, *facts.stretch], dtype=np.int64)
        steps.append(("Resize", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, sizes))
    nodes, tensors, current = [], [], IMAGES
    for position, (operator, attributes, constant) in enumerate(steps):
        produced = target if position == len(steps) - 1 else f"{_PREFIX}step_{position}"
        inputs = [current]
        if constant is not None:
            if operator == "Resize":  # sizes come last, after two inputs that are empty here
                nothing = f"{_PREFIX}nothing"
                tensors.append(numpy_helper.from_array(np.zeros(0, dtype=np.float32), nothing))
                inputs += [nothing, nothing]
            inputs.append(f"{_PREFIX}constant_{position}")
            tensors.append(numpy_helper.from_array(constant, inputs[-1]))
        nodes.append(helper.make_node(operator, inputs, [produced], name=f"{_PREFIX}{operator}", **attributes))
        current = produced
    return nodes, tensors


def _drop_unreached(graph: onnx.GraphProto) -> None:
    wanted = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:]
    del graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(tensors)
