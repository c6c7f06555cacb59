"""What happens first in a media child: take the order, put up the walls, then load the module that does the work."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

from opendrape.media import child_side
from opendrape.media.child_messages import Json, describe_error
from opendrape.media.confine import confine, die_with_parent


def main(module: str) -> None:
    """Run ``module`` as ``__main__`` inside the walls; it calls ``serve``."""
    order = _take_order()
    die_with_parent(order["parent"])
    try:
        _confine_and_run(module, order)
    except Exception as error:  # noqa: BLE001  a module that cannot be loaded is reported like one that fails
        child_side.Sender(order["channel"])("error", describe_error(error))


def _confine_and_run(module: str, order: Json) -> None:
    standing = confine(
        memory_bytes=order["memory_bytes"],
        readable=[Path(path) for path in order["readable"]],
        writable=[*(Path(path) for path in order["writable"]), *_where_coverage_writes()],
    )
    child_side.assign(child_side.Assignment(order["spec"], order["channel"], standing.as_dict()))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _take_order() -> Json:
    """Read one line from standard input; leave silently when the parent is gone before it was written."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            sys.exit(1)
        line += part
    order: Json = json.loads(line)
    return order


def _where_coverage_writes() -> Iterator[Path]:
    """When the tests measure this process, its figures must reach their file; otherwise nothing."""
    coverage = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage else None
    if current is not None:
        yield Path(current.config.data_file).absolute().parent


if __name__ == "__main__":
    main(sys.argv[1])
