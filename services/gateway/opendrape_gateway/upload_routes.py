"""Which addresses take resumable uploads in: tus 1.0, and what became of each upload (I-01)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from opendrape.adapters.upload_folder import UPLOAD_ID, UploadFolder
from opendrape.domain.uploads import REGISTRATION_ID, Upload
from opendrape.errors import NotFound
from opendrape_gateway import tus
from opendrape_gateway.acting import Reader, Writer
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.idempotency import IdempotentRoute
from opendrape_gateway.problems import documented
from opendrape_gateway.receiving import CHECKSUM_MISMATCH, Reception
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.upload_schemas import UploadAnswer, UploadList

router = APIRouter(tags=["uploads"], route_class=IdempotentRoute)
_BYTES = "application/offset+octet-stream"
_TUS_HEADERS = {
    name: {"schema": {"type": "string"}}
    for name in ("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Expires")
}
_BROUGHT = f"{UPLOAD_ID}|{REGISTRATION_ID}"
_VERSION = dict(tus.VERSION_PARAMETER)
_CREATION = [
    {"in": "header", "name": name, "required": required, "schema": {"type": kind}, "description": text}
    for name, required, kind, text in (
        ("Upload-Length", True, "integer", "bytes in all; Upload-Defer-Length is refused"),
        ("Upload-Metadata", False, "string", "filename, policy, sha256 (64 hex digits), each in Base64"),
    )
]
_PATCH = [
    {"in": "header", "name": "Upload-Offset", "required": True, "schema": {"type": "integer"}, "description": "start"},
    {
        "in": "header",
        "name": "Upload-Checksum",
        "required": False,
        "schema": {"type": "string"},
        "description": "sha256 or sha1, a space, the digest in Base64",
    },
]


def reception_at(desk: AtDesk) -> Reception:
    """What takes uploads in."""
    container = desk.container
    return Reception(
        uploads=container.door.uploads,
        folder=UploadFolder(container.settings.uploads_dir),
        key_map=container.key_map,
        clock=container.clock,
        rules=container.settings.uploads,
    )


AtReception = Annotated[Reception, Depends(reception_at)]
UploadId = Annotated[str, Path(description="the upload's id")]


@router.options(
    "/api/uploads/",
    operation_id="getUploadAbilities",
    summary="What the upload protocol can do here",
    status_code=204,
    responses=documented(401, 421, 429, 500),
)
@router.options("/api/uploads", include_in_schema=False, status_code=204)
async def abilities(desk: AtDesk) -> Response:
    """Version, extensions, largest size, checksums."""
    return Response(status_code=204, headers=tus.abilities(desk.container.settings.uploads.max_bytes))


@router.post(
    "/api/uploads/",
    operation_id="createUpload",
    summary="Begin a resumable upload",
    status_code=201,
    response_class=Response,
    responses={
        201: {"headers": {"Location": {"schema": {"type": "string"}}, **_TUS_HEADERS}},
        **documented(400, 401, 403, 409, 412, 413, 421, 422, 429, 500, 503, 507),
    },
    openapi_extra={"parameters": [_VERSION, *_CREATION]},
)
@router.post("/api/uploads", include_in_schema=False, status_code=201, response_class=Response)
def create(
    request: Request, desk: AtDesk, reception: AtReception, caller: Writer, tus_resumable: tus.TusResumable = None
) -> Response:
    """tus creation. The file's name goes into the key map, encrypted, and nowhere else."""
    tus.must_speak(tus_resumable)
    announced = tus.announced(request.headers, default_policy=desk.container.settings.uploads.policy)
    must_have_policy(desk, announced.policy_name)
    upload = reception.begin(caller.subject, announced)
    return Response(status_code=201, headers={"Location": address_of(upload), **tus.standing(upload)})


@router.get(
    "/api/uploads/",
    operation_id="listUploads",
    summary="List the caller's latest uploads",
    responses=documented(401, 403, 421, 422, 429, 500, 503),
)
@router.get("/api/uploads", include_in_schema=False)
def list_own(reception: AtReception, caller: Reader) -> UploadList:
    """The latest hundred, latest first."""
    found = reception.uploads.of_owner(caller.subject, limit=100)
    return UploadList(uploads=[UploadAnswer.of(upload) for upload in found])


@router.get(
    "/api/uploads/{upload_id}/",
    operation_id="getUpload",
    summary="What became of an upload",
    responses=documented(401, 403, 404, 421, 422, 429, 500, 503),
)
@router.get("/api/uploads/{upload_id}", include_in_schema=False)
def show(reception: AtReception, caller: Reader, upload_id: UploadId) -> UploadAnswer:
    """State, offset, and the video's id once it is registered."""
    return UploadAnswer.of(reception.look(caller, _id(upload_id, _BROUGHT)))


@router.head(
    "/api/uploads/{upload_id}/",
    operation_id="getUploadOffset",
    summary="Where to go on",
    response_class=Response,
    responses={200: {"headers": _TUS_HEADERS}, **documented(401, 403, 404, 410, 412, 421, 422, 429, 500, 503)},
    openapi_extra={"parameters": [_VERSION]},
)
@router.head("/api/uploads/{upload_id}", include_in_schema=False, response_class=Response)
def offset(
    reception: AtReception, caller: Reader, upload_id: UploadId, tus_resumable: tus.TusResumable = None
) -> Response:
    """tus core: the offset up to which every byte is durable."""
    tus.must_speak(tus_resumable)
    upload = reception.find(caller, _id(upload_id))
    return Response(headers={**tus.standing(upload), "Cache-Control": "no-store"})


@router.patch(
    "/api/uploads/{upload_id}/",
    operation_id="appendToUpload",
    summary="Bring bytes",
    status_code=204,
    responses={
        204: {"headers": _TUS_HEADERS},
        **documented(400, 401, 403, 404, 408, 409, 410, 412, 413, 415, 421, 422, 429, 500, 503, 507),
        CHECKSUM_MISMATCH: documented(CHECKSUM_MISMATCH)[CHECKSUM_MISMATCH],
    },
    openapi_extra={
        "parameters": [_VERSION, *_PATCH],
        "requestBody": {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}},
    },
)
@router.patch("/api/uploads/{upload_id}", include_in_schema=False, status_code=204)
async def append(
    request: Request,
    reception: AtReception,
    caller: Writer,
    upload_id: UploadId,
    tus_resumable: tus.TusResumable = None,
) -> Response:
    """tus core and checksum. The offset in the answer is durable; a new connection takes over from a dead one."""
    tus.must_speak(tus_resumable)
    if request.headers.get("content-type", "").partition(";")[0].strip() != _BYTES:
        raise Refusal(415, "upload_header")
    start, checksum = tus.number(request.headers, "upload-offset"), tus.checksum(request.headers)
    upload = await run_in_threadpool(reception.find, caller, _id(upload_id))
    try:
        upload = await reception.receive(upload.upload_id, request.stream(), offset=start, checksum=checksum)
    except ClientDisconnect:
        raise Refusal(408, "timed_out") from None  # nobody hears it
    return Response(status_code=204, headers=tus.standing(upload))


@router.delete(
    "/api/uploads/{upload_id}/",
    operation_id="terminateUpload",
    summary="Give an upload up",
    status_code=204,
    responses=documented(401, 403, 404, 409, 412, 421, 422, 429, 500, 503),
    openapi_extra={"parameters": [_VERSION]},
)
@router.delete("/api/uploads/{upload_id}", include_in_schema=False, status_code=204)
def terminate(
    reception: AtReception, caller: Writer, upload_id: UploadId, tus_resumable: tus.TusResumable = None
) -> Response:
    """tus termination: the bytes are removed. 409 for an upload that is complete."""
    tus.must_speak(tus_resumable)
    reception.give_up(reception.look(caller, _id(upload_id)), actor=caller.subject)
    return Response(status_code=204, headers=dict(tus.SPOKEN))


def address_of(upload: Upload) -> str:
    """Where the upload is."""
    return f"/api/uploads/{upload.upload_id}/"


def must_have_policy(desk: Desk, name: str) -> None:
    """``PolicyInvalid`` (422) when there is no policy of this name: better now than after a day of uploading."""
    desk.container.policies.get(name)


def _id(text: str, form: str = UPLOAD_ID) -> str:
    if not re.fullmatch(form, text):
        raise NotFound
    return text
