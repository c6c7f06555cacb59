"""Which addresses make, list, replace and revoke API keys: an admin's, with the scope for it (H-05)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from opendrape.access.key_office import LONGEST_DAYS, OVERLAP_HOURS, Issued, KeyOffice
from opendrape.domain.access import ApiKey, Caller, Role, Scope
from opendrape_gateway.callers import needs
from opendrape_gateway.desk import AtDesk, Desk
from opendrape_gateway.problems import documented

router = APIRouter(tags=["keys"])

Admin = Annotated[Caller, Depends(needs(Role.ADMIN, scope=Scope.ADMIN))]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="the key's public name")]
_LABEL = r"^[a-z][a-z0-9-]{0,31}$"


class NewKey(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(pattern=_LABEL, description="what the key is for; no names of people")
    roles: list[Role] = Field(min_length=1, max_length=len(Role))
    scopes: list[Scope] | None = Field(default=None, max_length=len(Scope), description="default: all of the roles")
    days: float | None = Field(default=None, gt=0, le=LONGEST_DAYS, description="life; default: the setting")


class Replacement(BaseModel):
    """How a key is replaced."""

    model_config = ConfigDict(extra="forbid")

    days: float | None = Field(default=None, gt=0, le=LONGEST_DAYS, description="life of the new key")
    overlap_hours: float = Field(
        default=OVERLAP_HOURS, ge=0, le=24.0 * 31, description="how long the old key still works"
    )


class KeyAnswer(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(frozen=True)

    id: str
    client: str = Field(description="pseudonym of the holder, the same after a rotation; owner of what it makes")
    label: str
    roles: list[Role]
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="to the minute")
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyAnswer:
        """The key in the API's form."""
        return cls(
            id=key.key_id,
            client=key.client,
            label=key.label,
            roles=sorted(key.roles),
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )


class IssuedKey(KeyAnswer):
    """A new key with its text, shown this once."""

    key: str = Field(description="send it as `Authorization: Bearer`; it is kept nowhere here")


class KeyList(BaseModel):
    """A page of keys in id order."""

    model_config = ConfigDict(frozen=True)

    keys: list[KeyAnswer]
    next_after: str | None = Field(description="value of `after` for the next page; null on the last")


_ERRORS = documented(401, 403, 421, 422, 429, 500, 503)


@router.get("/api/keys/", operation_id="listKeys", summary="List API keys", responses=_ERRORS)
@router.get("/api/keys", include_in_schema=False)
def list_keys(
    desk: AtDesk,
    _admin: Admin,
    response: Response,
    after: Annotated[str | None, Query(pattern=r"^[0-9a-f]{12}$", description="id of the last key seen")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> KeyList:
    """Live, expired and revoked ones."""
    found = desk.container.access.keys(after=after, limit=limit + 1)
    page = found[:limit]
    next_after = page[-1].key_id if len(found) > limit else None
    if next_after:
        response.headers["Link"] = f'<?{urlencode({"after": next_after, "limit": limit})}>; rel="next"'
    return KeyList(keys=[KeyAnswer.of(key) for key in page], next_after=next_after)


@router.post(
    "/api/keys/",
    operation_id="createKey",
    summary="Make an API key",
    status_code=201,
    responses=_ERRORS | documented(413),
)
@router.post("/api/keys", include_in_schema=False, status_code=201)
def create_key(desk: AtDesk, admin: Admin, wanted: NewKey) -> IssuedKey:
    """A key for a new client. Its text is in this answer and nowhere else."""
    issued = _office(desk).issue(
        label=wanted.label,
        roles=wanted.roles,
        scopes=wanted.scopes,
        days=wanted.days or desk.container.settings.access.key_days,
        actor=admin.subject,
    )
    return _shown(issued)


@router.post(
    "/api/keys/{key_id}/rotate/",
    operation_id="rotateKey",
    summary="Replace an API key",
    status_code=201,
    responses=_ERRORS | documented(404, 409, 413),
)
@router.post("/api/keys/{key_id}/rotate", include_in_schema=False, status_code=201)
def rotate_key(desk: AtDesk, admin: Admin, key_id: KeyId, wanted: Replacement | None = None) -> IssuedKey:
    """A new key of the same client; both work while they overlap. A client has two live keys at most."""
    asked = wanted or Replacement()
    issued = _office(desk).rotate(
        key_id,
        days=asked.days or desk.container.settings.access.key_days,
        overlap_hours=asked.overlap_hours,
        actor=admin.subject,
    )
    return _shown(issued)


@router.delete(
    "/api/keys/{key_id}/",
    operation_id="revokeKey",
    summary="Revoke an API key",
    responses=_ERRORS | documented(404),
)
@router.delete("/api/keys/{key_id}", include_in_schema=False)
def revoke_key(desk: AtDesk, admin: Admin, key_id: KeyId) -> KeyAnswer:
    """It opens nothing from now on. The row stays, for the audit; doing it again changes nothing."""
    return KeyAnswer.of(desk.container.access.revoke_key(key_id, actor=admin.subject))


def _office(desk: Desk) -> KeyOffice:
    return KeyOffice(desk.container.access, desk.container.clock)


def _shown(issued: Issued) -> IssuedKey:
    return IssuedKey(**KeyAnswer.of(issued.key).model_dump(), key=issued.text)
