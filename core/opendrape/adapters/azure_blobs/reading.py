"""How are a blob's bytes read: by ranges, several at a time, in order, always of one version of the blob?"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from azure.core import MatchConditions
from azure.storage.blob.aio import BlobClient

from opendrape.adapters.azure_blobs.answers import Short
from opendrape.adapters.azure_blobs.asking import Asker
from opendrape.adapters.azure_blobs.tuning import RANGE_BYTES


@dataclass(frozen=True, slots=True)
class Version:
    """Which bytes: the blob as it was when it had this ETag."""

    blob: BlobClient
    etag: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Digests:
    """Of bytes that were read."""

    sha256: str
    md5: str
    size_bytes: int


class Reader:
    """Reads ranges. ``careful`` lets the service send a checksum along with each, which finds a flip on the way."""

    def __init__(self, ask: Asker, parallel: int) -> None:
        self._ask, self._parallel = ask, parallel

    async def range(self, version: Version, offset: int, length: int, *, careful: bool = True) -> bytes:
        """Exactly these bytes; ``offset + length`` lies within the blob and ``length`` is at most ``RANGE_BYTES``."""
        if length == 0:
            return b""
        return await self._ask(lambda: _get(version, offset, length, careful=careful))

    async def pieces(self, version: Version, *, start: int = 0, careful: bool = False) -> AsyncGenerator[bytes, None]:
        """Everything from ``start``, in order; at most ``parallel`` ranges are in memory."""
        offsets = iter(range(start, version.size_bytes, RANGE_BYTES))
        waiting: deque[asyncio.Task[bytes]] = deque()
        try:
            while True:
                while len(waiting) < self._parallel and (offset := next(offsets, None)) is not None:
                    length = min(RANGE_BYTES, version.size_bytes - offset)
                    waiting.append(asyncio.create_task(self.range(version, offset, length, careful=careful)))
                if not waiting:
                    return
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def digests(self, version: Version, *, careful: bool = False) -> Digests:
        """Read every byte and digest it."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        async for piece in self.pieces(version, careful=careful):
            size += len(piece)
            await asyncio.gather(asyncio.to_thread(sha256.update, piece), asyncio.to_thread(md5.update, piece))
        return Digests(sha256.hexdigest(), md5.hexdigest(), size)


async def _get(version: Version, offset: int, length: int, *, careful: bool) -> bytes:
    stream = await version.blob.download_blob(
        offset=offset,
        length=length,
        etag=version.etag,
        match_condition=MatchConditions.IfNotModified,
        validate_content="md5" if careful else None,
        max_concurrency=1,
        decompress=False,
    )
    content = await stream.readall()
    if len(content) != length:
        raise Short("the answer ended early")
    return content
