"""Which of the product's functions are called in a process, and how one of them is made to raise without a hook there.

Standard library only: the text of this file is also put before the start of media children as ``sitecustomize``.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

Profile = Callable[[FrameType, str, Any], None]
Key = tuple[str, str]

_PACKAGES = ("opendrape", "opendrape_ingest", "opendrape_masker", "opendrape_uploader")
_NO_STEPS = ("opendrape_masker.synthetic.", "opendrape.media.sample_writer")
_ENTRY = "opendrape.media.child_entry"
_FUNCTION = 0x01  # CO_OPTIMIZED: neither a module's nor a class's body
_NOT_CALLED_BY_NAME = ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")


def exception_of(kind: str) -> BaseException:
    """What is raised: ``runtime``, ``memory``, ``disk_full``, ``end_of_file``, ``key`` or ``value``."""
    kinds: dict[str, BaseException] = {
        "runtime": RuntimeError("injected"),
        "memory": MemoryError(),
        "disk_full": OSError(errno.ENOSPC, "injected"),
        "end_of_file": EOFError(),
        "key": KeyError("injected"),
        "value": ValueError("injected"),
    }
    return kinds[kind]


def key_of(frame: FrameType) -> Key | None:
    """Module (by its file, also when run as ``__main__``) and qualified name of a called function of the pipeline."""
    code = frame.f_code
    module = _module_of(code)
    if module is None or not code.co_flags & _FUNCTION or code.co_qualname.endswith(_NOT_CALLED_BY_NAME):
        return None
    return module, code.co_qualname


_known: dict[CodeType, str | None] = {}


def _module_of(code: CodeType) -> str | None:
    if code not in _known:
        _known[code] = _module_at(code.co_filename)
    return _known[code]


def _module_at(path: str) -> str | None:
    parts = path.removesuffix(".py").split(os.sep)
    starts = [place for place, part in enumerate(parts) if part in _PACKAGES]
    if not starts or not path.endswith(".py"):
        return None
    # a checkout may lie in a folder of that name: the innermost counts
    module = ".".join(parts[starts[-1] :]).removesuffix(".__init__")
    return None if module.startswith(_NO_STEPS) else module


class Recorder:
    """Counts the calls of every function, in all threads that start after :meth:`start`."""

    def __init__(self) -> None:
        self.calls: dict[Key, int] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and (key := key_of(frame)) is not None:
            self.calls[key] = self.calls.get(key, 0) + 1

    def start(self) -> None:
        """From now on, here and in new threads."""
        _profile(self)

    def lines(self) -> list[tuple[str, str, int]]:
        """What was counted, as JSON can carry it."""
        return [(module, name, count) for (module, name), count in sorted(self.calls.items())]


class Fault:
    """Raises in the ``at``-th call of one function; ``note`` is an open descriptor that is told of it."""

    def __init__(self, key: Key, *, at: int = 1, kind: str = "runtime", note: int | None = None) -> None:
        self._key, self._at, self._kind, self._note = key, at, kind, note
        self._name = key[1].rpartition(".")[2]
        self.calls = 0

    @property
    def happened(self) -> bool:
        """True once it was raised."""
        return self.calls >= self._at

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or frame.f_code.co_name != self._name or key_of(frame) != self._key:
            return
        self.calls += 1
        if self.calls == self._at:
            if self._note is not None:
                with contextlib.suppress(OSError):  # a child that may not write anything cannot tell
                    os.write(self._note, b"happened\n")
            raise exception_of(self._kind)

    def start(self) -> None:
        """From now on, here and in new threads."""
        _profile(self)


def _profile(profile: Profile) -> None:
    # an exception ends profiling in its thread; the others go on
    threading.setprofile(profile)
    sys.setprofile(profile)


def start_in_child(order: dict[str, Any]) -> None:
    """What ``sitecustomize`` does in a media child: count its calls, or fail in one when it is the child meant.

    Its file is opened here: the walls that the child puts around itself come later.
    """
    if _ENTRY not in sys.orig_argv:
        return
    child = sys.orig_argv[-1]
    if order["child"] not in (None, child):
        return
    note = os.open(os.path.join(order["notes"], child), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if order["fault"] is None:
        _record_until_the_end(note)
    else:
        module, name, at, kind = order["fault"]
        Fault((module, name), at=at, kind=kind, note=note).start()


def _record_until_the_end(note: int) -> None:
    recorder = Recorder()

    def write() -> None:
        sys.setprofile(None)
        os.write(note, json.dumps(recorder.lines()).encode() + b"\n")

    atexit.register(write)
    recorder.start()
