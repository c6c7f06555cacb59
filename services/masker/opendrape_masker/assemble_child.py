"""The child that joins masked chunks into one file and proves it: packets, times, no tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opendrape.errors import ScrubIncomplete
from opendrape.media.assemble import assemble, prove
from opendrape.media.child import serve
from opendrape.media.scrub import removed, survivors
from opendrape_masker.digests import digest_file
from opendrape_masker.orders import AssembleAnswer, AssembleOrder, read_timeline


def assemble_chunks(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Assemble, prove, look for survivors, digest; in this order."""
    order = AssembleOrder.model_validate(spec)
    timeline = read_timeline(order.timeline)
    path = order.folder / "masked.mp4"
    assemble(order.chunks, path, media=order.media, timeline=timeline)
    send({"progress": 0.4})
    prove(path, order.chunks, media=order.media, timeline=timeline)
    send({"progress": 0.7})
    if left := survivors(path):
        raise ScrubIncomplete(", ".join(left))
    digest = digest_file(path)
    answer = AssembleAnswer(
        path=path, sha256=digest.sha256, md5=digest.md5, size_bytes=digest.size_bytes, scrub=removed(order.media)
    )
    return answer.model_dump(mode="json")


if __name__ == "__main__":
    serve(assemble_chunks)
