"""How does a file of any size get to the service: block by block, several at a time, each checked on arrival (D-02)?"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from itertools import count
from typing import BinaryIO

from azure.storage.blob.aio import BlobClient

from opendrape.adapters.azure_blobs.asking import Asker
from opendrape.adapters.azure_blobs.blocks import Block, Staged, block, block_id, new_nonce


@dataclass
class Sent:
    """What was read from the source and is now staged, in order. ``sent_bytes`` leaves out what was there already."""

    ids: list[str] = field(default_factory=list)
    size_bytes: int = 0
    sent_bytes: int = 0
    sha256: str = ""


class Sender:
    """Sends the blocks of files. ``room`` bounds the blocks in memory of all files together."""

    def __init__(self, ask: Asker, room: asyncio.Semaphore) -> None:
        self._ask, self._room = ask, room

    async def stage(self, blob: BlobClient, source: BinaryIO, *, block_bytes: int, staged: Staged) -> Sent:
        """Stage every block that is not there yet. Nothing becomes visible."""
        sent, digest, nonce = Sent(), hashlib.sha256(), new_nonce()
        try:
            async with asyncio.TaskGroup() as group:
                for index in count():
                    await self._room.acquire()
                    content = await self._read(source, block_bytes)
                    if not content:
                        self._room.release()
                        break
                    # the order of the whole digest is that of this loop; the block's own is taken beside it
                    sent.ids.append("")
                    group.create_task(self._send(blob, index, content, nonce, staged, sent))
                    sent.size_bytes += len(content)
                    await asyncio.to_thread(digest.update, content)
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        sent.sha256 = digest.hexdigest()
        return sent

    async def _read(self, source: BinaryIO, count_bytes: int) -> bytes:
        try:
            return await asyncio.to_thread(source.read, count_bytes)
        except BaseException:
            self._room.release()
            raise

    async def _send(
        self, blob: BlobClient, index: int, content: bytes, nonce: bytes, staged: Staged, sent: Sent
    ) -> None:
        try:
            piece = await asyncio.to_thread(block, index, content)
            known = staged.find(piece)
            if known is None:
                known = block_id(nonce, piece)
                await self._stage(blob, known, piece)
                sent.sent_bytes += len(content)
            sent.ids[index] = known
        finally:
            self._room.release()

    async def _stage(self, blob: BlobClient, name: str, piece: Block) -> None:
        # bytes and a header, not validate_content: the SDK would take the MD5 on the event loop, and its CRC64 needs a
        # package that is not there for every platform
        headers = {"Content-MD5": piece.header}
        await self._ask(lambda: blob.stage_block(name, piece.content, len(piece.content), headers=headers))
