"""Which addresses take a whole video or picture in one form, for clients that know no upload protocol (I-01)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from opendrape.domain.access import Caller
from opendrape.domain.uploads import Upload
from opendrape_gateway.acting import Writer
from opendrape_gateway.desk import AtDesk
from opendrape_gateway.forms import FormFile, boundary_of
from opendrape_gateway.idempotency import PARAMETER, IdempotentRoute
from opendrape_gateway.openapi_models import VideoForm, reference
from opendrape_gateway.problems import documented
from opendrape_gateway.receiving import LONGEST_NAME, Announced, Reception
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.upload_routes import AtReception, address_of, must_have_policy
from opendrape_gateway.upload_schemas import UploadAnswer

router = APIRouter(tags=["uploads"], route_class=IdempotentRoute)
_POLICY = r"^[a-z][a-z0-9-]{0,31}$"


async def upload(
    request: Request,
    response: Response,
    desk: AtDesk,
    reception: AtReception,
    caller: Writer,
    policy: Annotated[str | None, Query(pattern=_POLICY, description="default: the configured one")] = None,
) -> UploadAnswer:
    """The form's ``file`` streams to disk; the upload's address then tells the asset's id. Not resumable."""
    chosen = policy or desk.container.settings.uploads.policy
    await run_in_threadpool(must_have_policy, desk, chosen)
    form = FormFile(request.stream(), boundary_of(request.headers.get("content-type", "")))
    done = await _received(reception, caller, form, bound=_bound(request), policy=chosen)
    response.headers["Location"] = address_of(done)
    return UploadAnswer.of(done)


def takes_a_form(to: APIRouter, path: str, *, operation_id: str, summary: str) -> None:
    """Serve :func:`upload` at ``path``, with and without its last slash."""
    to.post(path.rstrip("/"), include_in_schema=False, status_code=202)(upload)
    to.post(
        path,
        operation_id=operation_id,
        summary=summary,
        status_code=202,
        responses={
            202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "the upload"}}},
            **documented(400, 401, 403, 408, 409, 411, 413, 415, 421, 422, 429, 500, 503, 507),
        },
        openapi_extra={
            "parameters": [PARAMETER],
            "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": reference(VideoForm)}}},
        },
    )(upload)


takes_a_form(router, "/api/videos/", operation_id="uploadVideo", summary="Upload a video in one form")


async def _received(reception: Reception, caller: Caller, form: FormFile, *, bound: int, policy: str) -> Upload:
    pieces = form.pieces()
    try:
        first = await anext(pieces)  # the name is known then
        announced = Announced(bound, policy, (form.name or "")[:LONGEST_NAME])
        begun = await run_in_threadpool(reception.begin, caller.subject, announced)
        return await reception.receive_whole(begun, _joined(first, pieces))
    except ClientDisconnect:
        raise Refusal(408, "timed_out") from None  # nobody hears it
    except StopAsyncIteration:
        raise Refusal(400, "upload_form") from None


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _bound(request: Request) -> int:
    """The form is longer than its file, so its length is a bound that quota and disk are asked for."""
    text = request.headers.get("content-length", "")
    if not text.isdecimal() or len(text) > 16:
        raise Refusal(411, "upload_header")
    return int(text)
