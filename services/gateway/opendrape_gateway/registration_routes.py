"""Which address takes in a video that lies in the storage of originals already, without moving it (I-01)."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opendrape.domain.uploads import REGISTRATION_PREFIX, Upload, UploadState, place_of
from opendrape.errors import OpenDrapeError
from opendrape.ports.key_map import SourceRecord
from opendrape.ports.originals import Original
from opendrape.ports.uploads import NewUpload, Quota
from opendrape_gateway.acting import Writer
from opendrape_gateway.addresses import at
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.idempotency import PARAMETER, IdempotentRoute
from opendrape_gateway.problems import documented
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.upload_routes import address_of, must_have_policy
from opendrape_gateway.upload_schemas import UploadAnswer

router = APIRouter(tags=["uploads"], route_class=IdempotentRoute)
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_LONGEST: Final = 1024  # what the service allows


def is_inside(name: str) -> bool:
    """True for a name that can only mean a blob of the container that it is looked for in: no address, no way out."""
    return not _UNFIT.search(name) and all(part.strip() not in {"", ".", ".."} for part in name.split("/"))


def _checked(name: str) -> str:
    if not is_inside(name):
        raise ValueError("not a name within the storage of originals")
    return name


class NewRegistration(BaseModel):
    """Which original is to be taken in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blob: Annotated[str, AfterValidator(_checked)] = Field(
        min_length=1,
        max_length=_LONGEST,
        description="name within the storage of originals that is set; no address, no `..`, no empty part",
    )
    policy: str | None = Field(
        default=None, pattern=r"^[a-z][a-z0-9-]{0,31}$", description="default: the configured one"
    )


@at(
    router.post,
    "/api/videos/registrations/",
    operation_id="registerVideo",
    summary="Take in a video where it lies",
    status_code=202,
    responses={
        202: {"headers": {"Location": {"schema": {"type": "string"}, "description": "the registration"}}},
        **documented(400, 401, 403, 404, 409, 413, 421, 422, 429, 500, 503),
    },
    openapi_extra={"parameters": [PARAMETER]},
)
def register(response: Response, desk: AtDesk, caller: Writer, wanted: NewRegistration) -> UploadAnswer:
    """The original is read once, where it lies, and masked by ranges. The answer's address then tells the video's id.

    Exactly the version that is there now is taken in: one that is changed before it was read is refused, and may be
    registered anew. 404 when there is none; 422 for one that is empty or over the largest size of an upload.
    """
    policy = wanted.policy or desk.container.settings.uploads.policy
    must_have_policy(desk, policy)
    original = desk.container.originals.look(wanted.blob)
    if original.size_bytes == 0:
        raise Refusal(422, "empty_file")
    if original.size_bytes > desk.container.settings.uploads.max_bytes:
        raise Refusal(422, "upload_too_long")
    done = _noted(desk, caller.subject, original, policy)
    response.headers["Location"] = address_of(done)
    return UploadAnswer.of(done)


def _noted(desk: Desk, owner: str, original: Original, policy: str) -> Upload:
    """Row, name, row: ingest sees it when its name is in the key map; one that got no name expires."""
    uploads, rules = desk.container.door.uploads, desk.container.settings.uploads
    new = NewUpload(
        upload_id=f"{REGISTRATION_PREFIX}{secrets.token_hex(16)}",
        owner=owner,
        length=original.size_bytes,
        policy_name=policy,
        expires_at=desk.container.clock.now() + timedelta(seconds=rules.expire_seconds),
        is_here=True,
    )
    uploads.create(new, quota=Quota(open_uploads=rules.open_per_user, bytes_per_day=rules.bytes_per_user_and_day))
    try:
        desk.container.key_map.remember_source(new.upload_id, _record(new.upload_id, original))
        held = uploads.take(new.upload_id, offset=new.length)
        return uploads.advance(new.upload_id, epoch=held.epoch, offset=new.length)
    except OpenDrapeError:
        uploads.close(new.upload_id, UploadState.TERMINATED, actor="system")
        raise


def _record(registration_id: str, original: Original) -> SourceRecord:
    return SourceRecord(
        path=place_of(registration_id),
        size_bytes=original.size_bytes,
        mtime_ns=original.version,
        content_sha256="",
        original_name=original.name,
    )
