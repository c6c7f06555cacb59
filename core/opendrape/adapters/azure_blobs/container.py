"""Which requests does a store make to its container: look, stage, commit, mark, list, delete, each bounded in time?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobProperties
from azure.storage.blob.aio import BlobClient

from opendrape.adapters.azure_blobs import answers
from opendrape.adapters.azure_blobs.account import Account, Connection, connect
from opendrape.adapters.azure_blobs.asking import Asker
from opendrape.adapters.azure_blobs.blocks import Staged
from opendrape.adapters.azure_blobs.facts import Facts, content_settings, facts_of, verified, written
from opendrape.adapters.azure_blobs.reading import Digests, Reader, Version
from opendrape.adapters.azure_blobs.sending import Sender, Sent
from opendrape.adapters.azure_blobs.tuning import Tuning

_T = TypeVar("_T")
_PROBE = ".opendrape-check"
_PAGE = 1000


class Container:
    """Requests on one container below one prefix; made and used on one event loop.

    The container is created when the first answer says that there is none; one that vanishes later is an error.
    """

    def __init__(self, account: Account, name: str, prefix: str, tuning: Tuning, *, create: bool) -> None:
        self.tuning, self._prefix = tuning, prefix
        self._connection: Connection = connect(account, name, tuning)
        self._may_create = create
        self.ask = Asker(tuning)
        self.reader = Reader(self.ask, tuning.parallel)
        self.sender = Sender(self.ask, asyncio.Semaphore(tuning.parallel + 1))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    def blob(self, name: str) -> BlobClient:
        """A client for one blob."""
        return self._connection.container.get_blob_client(self._prefix + name)

    def version(self, name: str, facts: Facts) -> Version:
        """These very bytes."""
        return Version(self.blob(name), facts.etag, facts.size_bytes)

    async def look(self, name: str) -> Facts | None:
        """What is there under this name; None when nothing is."""
        blob = self.blob(name)
        try:
            return facts_of(await self._first(blob.get_blob_properties))
        except ResourceNotFoundError as error:
            if answers.code(error) == "ContainerNotFound":
                raise
            return None

    async def staged(self, name: str) -> Staged:
        """The blocks that somebody sent and nobody committed."""
        blob = self.blob(name)
        try:
            _, uncommitted = await self.ask(lambda: blob.get_block_list("uncommitted"))
        except ResourceNotFoundError:
            return Staged()
        return Staged(uncommitted)

    async def commit(self, name: str, sent: Sent) -> bool:
        """Make a blob of the staged blocks; False when the name is taken, by another one or by us a moment ago."""
        blob, blocks = self.blob(name), [BlobBlock(entry) for entry in sent.ids]
        try:
            await self.ask(
                lambda: blob.commit_block_list(
                    blocks,
                    content_settings=content_settings(name),
                    metadata=written(sent.sha256),
                    match_condition=MatchConditions.IfMissing,
                )
            )
        except ResourceExistsError:
            return False
        except AzureError as error:
            # the blocks were taken by another writer's commit
            if answers.code(error) in {"InvalidBlockList", "ConditionNotMet", "BlobAlreadyExists"}:
                return False
            raise
        return True

    async def mark(self, name: str, facts: Facts, digests: Digests) -> bool:
        """Say that this version was read back; False when it is not there any more."""
        blob, settings = self.blob(name), content_settings(name, digests.md5)
        try:
            changed = await self.ask(
                lambda: blob.set_http_headers(settings, etag=facts.etag, match_condition=MatchConditions.IfNotModified)
            )
            metadata = verified(digests.sha256, digests.md5)
            await self.ask(
                lambda: blob.set_blob_metadata(
                    metadata, etag=str(changed["etag"]), match_condition=MatchConditions.IfNotModified
                )
            )
        except AzureError as error:
            return _gone_or_changed(error)
        return True

    async def delete(self, name: str, facts: Facts | None = None) -> bool:
        """Remove the blob, or only this version of it; False when it is not there."""
        blob = self.blob(name)

        async def delete() -> None:
            if facts is None:
                await blob.delete_blob("include")
            else:
                await blob.delete_blob("include", etag=facts.etag, match_condition=MatchConditions.IfNotModified)

        try:
            await self._first(delete)
        except AzureError as error:
            return _gone_or_changed(error)
        return True

    async def page(self, prefix: str, token: str | None) -> tuple[list[tuple[str, Facts]], str | None]:
        """Names (without our prefix) and facts of one page of a listing, and how to get the next one."""

        async def ask() -> tuple[list[BlobProperties], str | None]:
            listing = self._connection.container.list_blobs(
                name_starts_with=self._prefix + prefix, include=["metadata"], results_per_page=_PAGE
            ).by_page(continuation_token=token)
            found = await anext(listing, None)
            return ([] if found is None else await _collected(found)), getattr(listing, "continuation_token", None)

        found, following = await self._first(ask)
        return [(str(one.name)[len(self._prefix) :], facts_of(one)) for one in found], following

    async def probe(self) -> None:
        """Send a block that is never committed and ask for it: writing and reading work, nothing becomes visible."""
        blob = self.blob(_PROBE)
        await self._first(lambda: blob.stage_block("opendrape", b"opendrape", 9))
        await self.ask(lambda: blob.get_block_list("uncommitted"))

    async def _first(self, request: Callable[[], Awaitable[_T]]) -> _T:
        """Ask; if there is no container and never was, make it and ask again."""
        try:
            answer = await self.ask(request)
        except AzureError as error:
            if not self._may_create or answers.code(error) != "ContainerNotFound":
                raise
            await self._create()
            answer = await self.ask(request)
        self._may_create = False
        return answer

    async def _create(self) -> None:
        try:
            await self.ask(self._connection.container.create_container)
        except ResourceExistsError as error:
            if answers.code(error) != "ContainerAlreadyExists":
                raise


async def _collected(page: AsyncIterator[BlobProperties]) -> list[BlobProperties]:
    return [one async for one in page]


def _gone_or_changed(error: AzureError) -> bool:
    """False for "not there" and "another version"; anything else goes on."""
    if answers.status(error) == 412 or answers.code(error) in {"BlobNotFound", "ConditionNotMet"}:
        return False
    raise error
