"""How bytes that arrive become durable: stored in pieces, under a lock and an epoch, before they are acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import ClientDisconnect

from opendrape.adapters.upload_folder import OpenUpload, UploadFolder
from opendrape.domain.access import Caller
from opendrape.domain.uploads import WITHOUT_BYTES, Upload, UploadState
from opendrape.errors import NotFound, OpenDrapeError, StorageUnavailable
from opendrape.ports.clock import Clock
from opendrape.ports.key_map import KeyMap, SourceRecord
from opendrape.ports.uploads import NewUpload, Quota, Uploads
from opendrape.settings import UploadSettings
from opendrape_gateway.refusal import Refusal

CHECKSUM_MISMATCH = 460
"""The status that tus gives to bytes that are not what their checksum says."""

LONGEST_NAME = 1024


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one request must have: ``sha1`` (every tus server knows it) or ``sha256``, and the digest."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Announced:
    """What a sender says before the first byte. ``name`` is identity: it goes into the key map and nowhere else."""

    length: int
    policy_name: str
    name: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Reception:
    """Takes uploads in. Blocking calls run in threads; memory is bounded by one piece a connection."""

    uploads: Uploads
    folder: UploadFolder
    key_map: KeyMap
    clock: Clock
    rules: UploadSettings

    def begin(self, owner: str, announced: Announced) -> Upload:
        """Make a place for it. ``Refusal`` 413 for too long, 507 without disk; ``QuotaExceeded``."""
        if announced.length > self.rules.max_bytes:
            raise Refusal(413, "upload_too_long")
        if self.folder.free_bytes() - self.uploads.outstanding_bytes() - announced.length < self.rules.reserve_bytes:
            raise Refusal(507, "disk_reserve")
        upload = self.uploads.create(self._new(owner, announced), quota=self._quota)
        try:
            self._prepare(upload, announced.name)
        except OpenDrapeError:
            self.uploads.close(upload.upload_id, UploadState.TERMINATED, actor="system")
            raise
        return upload

    def find(self, caller: Caller, upload_id: str) -> Upload:
        """The upload, if the caller may see it; ``NotFound`` otherwise, ``Refusal`` 410 when its bytes are gone."""
        upload = self.look(caller, upload_id)
        if upload.state in WITHOUT_BYTES:
            raise Refusal(410, "upload_closed")
        return upload

    def look(self, caller: Caller, upload_id: str) -> Upload:
        """The upload in whatever state, if the caller may see it; ``NotFound`` otherwise."""
        upload = self.uploads.get(upload_id)
        if not caller.sees(upload.owner):
            raise NotFound
        return upload

    def give_up(self, upload: Upload, *, actor: str) -> None:
        """Remove the bytes and what is remembered of them; what ingest has taken up stays (``IllegalTransition``)."""
        self.uploads.close(upload.upload_id, UploadState.TERMINATED, actor=actor)
        self.folder.remove(upload.upload_id)
        self.key_map.forget_source(str(self.folder.path(upload.upload_id)))

    async def receive(
        self, upload_id: str, stream: AsyncIterator[bytes], *, offset: int, checksum: Checksum | None = None
    ) -> Upload:
        """Store what comes, from ``offset`` on. A connection that breaks keeps what came, unless it was to have a
        checksum. ``IllegalTransition`` when the upload is elsewhere, closed, or taken over meanwhile.
        """
        taken = await asyncio.to_thread(self.uploads.take, upload_id, offset=offset)
        writing = Writing(self, taken, checksum)
        try:
            async for chunk in stream:
                await writing.add(chunk)
        except ClientDisconnect:
            await writing.keep_what_came()
            raise
        return await writing.finish()

    async def receive_whole(self, upload: Upload, stream: AsyncIterator[bytes]) -> Upload:
        """Store something whose announced length is only a bound. Nothing stays when it does not arrive whole."""
        taken = await asyncio.to_thread(self.uploads.take, upload.upload_id, offset=0)
        writing = Writing(self, taken, None)
        try:
            async for chunk in stream:
                await writing.add(chunk)
            return await writing.finish(is_all=True)
        except (ClientDisconnect, OpenDrapeError):
            await asyncio.to_thread(self.give_up, upload, actor="system")
            raise

    @property
    def _quota(self) -> Quota:
        return Quota(open_uploads=self.rules.open_per_user, bytes_per_day=self.rules.bytes_per_user_and_day)

    def _new(self, owner: str, announced: Announced) -> NewUpload:
        return NewUpload(
            upload_id=f"up-{secrets.token_hex(16)}",
            owner=owner,
            length=announced.length,
            policy_name=announced.policy_name,
            expires_at=self.clock.now() + timedelta(seconds=self.rules.expire_seconds),
            declared_sha256=announced.sha256,
        )

    def _prepare(self, upload: Upload, name: str | None) -> None:
        path = str(self.folder.path(upload.upload_id))
        if name:
            record = SourceRecord(path, upload.length, 0, content_sha256="", original_name=name)
            self.key_map.remember_source(upload.upload_id, record)
        if upload.state is UploadState.COMPLETE:  # no byte will come to make the file
            with self.folder.locked(upload.upload_id):
                pass


class Writing:
    """One connection that brings bytes of one upload."""

    def __init__(self, reception: Reception, upload: Upload, checksum: Checksum | None) -> None:
        self._reception, self._upload, self._checksum = reception, upload, checksum
        self._digest = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._buffer = bytearray()
        self._position = upload.offset

    async def add(self, chunk: bytes) -> None:
        """Take some bytes; stores a piece when there is one. ``Refusal`` 413 past the announced length."""
        if self._position + len(self._buffer) + len(chunk) > self._upload.length:
            raise Refusal(413, "upload_too_long")
        self._buffer += chunk
        if len(self._buffer) >= self._reception.rules.piece_bytes:
            await asyncio.to_thread(self._store)

    async def keep_what_came(self) -> None:
        """The connection broke: what came is durable, and the next one goes on from there."""
        if self._checksum is None:
            await self.finish()

    async def finish(self, *, is_all: bool = False) -> Upload:
        """The sender is done; ``is_all``: the length was only a bound. ``Refusal`` 460 for a wrong checksum."""
        return await asyncio.to_thread(self._finish, is_all)

    def _store(self) -> None:
        """The last byte is acknowledged by ``_finish`` alone: it closes the upload."""
        piece = bytes(self._buffer)
        self._buffer.clear()
        if self._digest:
            self._digest.update(piece)
        end = self._position + len(piece)
        with self._alone() as file:
            file.write(self._position, piece)
            if self._checksum is None and end < self._upload.length:
                file.settle(end)
                self._reception.uploads.advance(self._upload.upload_id, epoch=self._upload.epoch, offset=end)
        self._position = end

    def _finish(self, is_all: bool) -> Upload:
        if self._buffer:
            self._store()
        if self._checksum and self._digest and not hmac.compare_digest(self._digest.digest(), self._checksum.digest):
            raise Refusal(CHECKSUM_MISMATCH, "upload_checksum")
        length = self._position if is_all else None
        with self._alone() as file:
            file.settle(self._position)
            return self._reception.uploads.advance(
                self._upload.upload_id, epoch=self._upload.epoch, offset=self._position, length=length
            )

    @contextmanager
    def _alone(self) -> Iterator[OpenUpload]:
        """The file, while nobody else writes to it and this connection still is the one that may."""
        with _room(), self._reception.folder.locked(self._upload.upload_id) as file:
            self._reception.uploads.hold(self._upload.upload_id, epoch=self._upload.epoch)
            yield file


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except StorageUnavailable as error:
        if error.reason != "disk_full":
            raise
        raise Refusal(507, "disk_full") from error
