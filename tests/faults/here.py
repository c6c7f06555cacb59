"""How a media child's module does its work in this process: same order, same answer, same errors, no other process."""

from __future__ import annotations

import json
import runpy
import sys
import threading
from collections.abc import Callable
from typing import Any

from opendrape.errors import ChildCrashed
from opendrape.media import child
from opendrape.media.child_messages import describe_error, raise_error

Json = dict[str, Any]
Work = Callable[[Json, Callable[[Json], None]], Json]


class _Served(threading.local):
    work: Work | None = None


_served = _Served()


def run_children_here() -> None:
    """From now on every module that has ``run_child`` runs its children's work itself. For a process of its own."""
    started = child.run_child
    child.serve = _remember  # type: ignore[assignment]
    for module in list(sys.modules.values()):
        if getattr(module, "run_child", None) is started:
            module.run_child = run_here  # type: ignore[attr-defined]


def run_here(
    module: str,
    spec: Json,
    *,
    on_message: Callable[[Json], None] = lambda _message: None,
    on_idle: Callable[[], None] = lambda: None,
    **_walls: object,
) -> Json:
    """In place of ``run_child``: what ``python -m module`` would serve, with orders and answers as JSON."""
    on_idle()
    try:
        answer = _work_of(module)(json.loads(json.dumps(spec)), on_message)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - as a child's edge does
        raise_error(json.loads(json.dumps(describe_error(error))))
    result: Json = json.loads(json.dumps(answer))
    return result


def _work_of(module: str) -> Work:
    _served.work = None
    runpy.run_module(module, run_name="__main__")
    if _served.work is None:
        raise ChildCrashed(reason="child_no_result")
    return _served.work


def _remember(work: Work) -> None:
    _served.work = work
