"""A child module for the tests: does what its order says, good or bad."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from opendrape.errors import MediaRefused, StaleLease
from opendrape.media import child_side
from opendrape.media.child import serve

_PR_SET_PDEATHSIG = 1


def _echo(spec, send):
    return {"echo": spec["say"]}


def _progress(spec, send):
    for step in range(spec["steps"]):
        send({"progress": step / spec["steps"]})
    return {"steps": spec["steps"]}


def _send_from_threads(spec, send):
    threads = [threading.Thread(target=send, args=({"from": "x" * 5000},)) for _ in range(spec["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {}


def _refuse(spec, send):
    raise MediaRefused("Anna Andersen", reason=spec["reason"])


def _claim_stale_lease(spec, send):
    raise StaleLease


def _fail(spec, send):
    raise KeyError("Anna Andersen 010190")


def _die(spec, send):
    sys.stderr.write("title: Anna Andersen\n")
    sys.stderr.flush()
    if spec["how"] == "exit":
        os._exit(0)
    os.kill(os.getpid(), getattr(signal, spec["how"]))


def _allocate(spec, send):
    return {"size": len(bytearray(spec["bytes"]))}


def _native_allocation_failure(spec, send):
    sys.stderr.write("terminate called after throwing an instance of 'std::bad_alloc'\n")
    sys.stderr.flush()
    os.abort()


def _hang(spec, send):
    send({"pid": os.getpid()})
    time.sleep(600)


def _hang_without_death_signal(spec, send):
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
    return _hang(spec, send)


def _hang_holding_the_interpreter(spec, send):
    """No other thread of this process runs any more once the message is out."""
    line = json.dumps({"kind": "message", "body": {"pid": os.getpid()}}).encode() + b"\n"
    channel = child_side._assignments[-1].channel
    sys.setswitchinterval(1e6)
    native = ctypes.PyDLL(None)
    native.write(channel, line, len(line))
    native.sleep(600)


def _speak_nonsense(spec, send):
    os.write(spec["channel"], spec["line"].encode() + b"\n")
    time.sleep(600)


def _say_without_end(spec, send):
    while True:
        os.write(spec["channel"], b"x" * 65536)


def _close_channel_and_stay(spec, send):
    os.close(spec["channel"])
    time.sleep(600)


def _environment(spec, send):
    return dict(os.environ)


def _is_refused(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False


def _open_files(spec, send):
    return {
        "refused": [_is_refused(Path(path).read_bytes) for path in spec["read"]],
        "write_refused": [_is_refused(lambda path=path: Path(path).write_bytes(b"x")) for path in spec["write"]],
    }


def _read_descriptor(spec, send):
    return {"content": os.pread(spec["descriptor"], 100, 0).decode()}


def _reach_out(spec, send):
    return {
        "inet": _is_refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
        "inet6": _is_refused(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)),
        "unix": _is_refused(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)),
        "program": _is_refused(lambda: subprocess.run(["/bin/true"], check=True)),
        "exec": _is_refused(lambda: os.execv("/bin/true", ["true"])),
        "fork": _is_refused(lambda: os.fork() or os._exit(0)),
        "parent_signal": _is_refused(lambda: os.kill(os.getppid(), 0)),
    }


def _native(spec, send):
    import cv2
    import numpy
    import onnxruntime
    from onnx import TensorProto, helper

    send({"progress": 0.1})
    cv2.setNumThreads(2)
    blurred = cv2.GaussianBlur(numpy.ones((1080, 1920, 3), numpy.uint8), (21, 21), 3)
    square = numpy.ones((300, 300)) @ numpy.ones((300, 300))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 4
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answer = session.run(None, {"x": numpy.array([-1, 1, 2, -3], numpy.float32)})[0]
    threads = len(os.listdir("/proc/self/task"))
    return {"relu": answer.tolist(), "blurred": int(blurred.max()), "corner": square[0, 0].item(), "threads": threads}


def _work(spec, send):
    return globals()[f"_{spec['do']}"](spec, send)


if __name__ == "__main__":
    serve(_work)
