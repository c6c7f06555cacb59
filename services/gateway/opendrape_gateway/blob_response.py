"""How a stored blob goes out over HTTP: in blocks, never whole in memory, and never to its end when it is damaged."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from opendrape.errors import StorageUnavailable
from opendrape_gateway.byte_ranges import Part

_BLOCK: Final = 256 * 1024


class BlobResponse(StreamingResponse):
    """Streams an open blob and closes it, whatever happens. The last block is held back until the digest is right:
    a client that got all of ``Content-Length`` got the stored bytes.

    With a ``part`` (206) the digest is still the whole blob's: whoever has all parts can check it.
    """

    def __init__(
        self,
        blob: BinaryIO,
        *,
        sha256: str,
        size_bytes: int,
        filename: str,
        media_type: str,
        part: Part | None = None,
    ) -> None:
        self._blob = blob
        headers = _headers(sha256, size_bytes if part is None else part.end - part.start, filename)
        if part is None:
            super().__init__(_blocks(blob, sha256), media_type=media_type, headers=headers)
        else:
            headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size_bytes}"
            super().__init__(_part(blob, part), status_code=206, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._blob.close()


def _headers(sha256: str, length: int, filename: str) -> dict[str, str]:
    return {
        "Content-Length": str(length),
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",  # RFC 9530
    }


async def _part(blob: BinaryIO, part: Part) -> AsyncIterator[bytes]:
    await run_in_threadpool(blob.seek, part.start)
    left = part.end - part.start
    while left:
        block = await run_in_threadpool(blob.read, min(_BLOCK, left))
        if not block:
            raise StorageUnavailable("a stored result is shorter than it was", reason="read_back_differs")
        left -= len(block)
        yield block


async def _blocks(blob: BinaryIO, sha256: str) -> AsyncIterator[bytes]:
    digest, held = hashlib.sha256(), b""
    while block := await run_in_threadpool(blob.read, _BLOCK):
        digest.update(block)
        if held:
            yield held
        held = block
    if digest.hexdigest() != sha256:
        raise StorageUnavailable("a stored result changed", reason="read_back_differs")
    yield held
