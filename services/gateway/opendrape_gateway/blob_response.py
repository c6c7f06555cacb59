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

_BLOCK: Final = 256 * 1024


class BlobResponse(StreamingResponse):
    """Streams an open blob and closes it, whatever happens. The last block is held back until the digest is right:
    a client that got all of ``Content-Length`` got the stored bytes.
    """

    def __init__(self, blob: BinaryIO, *, sha256: str, size_bytes: int, filename: str, media_type: str) -> None:
        self._blob = blob
        headers = {
            "Content-Length": str(size_bytes),
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",  # RFC 9530
        }
        super().__init__(_blocks(blob, sha256), media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._blob.close()


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
