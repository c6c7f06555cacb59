"""What the answers about uploads look like."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.pseudonym import is_picture
from opendrape.domain.reasons import explain
from opendrape.domain.uploads import Upload, UploadState


class UploadAnswer(BaseModel):
    """One upload. What the file was called is not here."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: UploadState = Field(description="receiving, complete, then registered or refused; terminated, expired")
    offset: int = Field(description="bytes that are durable")
    length: int = Field(description="bytes in all")
    policy: str = Field(description="name of the policy that the video or picture will be under")
    video: str | None = Field(description="id of the video once registered")
    image: str | None = Field(description="id of the picture once registered")
    reason: str | None = Field(description="why it was not taken, as a slug")
    reason_text: str | None = Field(description="the reason in one sentence")
    created_at: datetime
    expires_at: datetime = Field(description="an upload that is not complete by then is removed")

    @classmethod
    def of(cls, upload: Upload) -> UploadAnswer:
        """The upload in the API's form."""
        picture = upload.asset_id is not None and is_picture(upload.asset_id)
        return cls(
            id=upload.upload_id,
            state=upload.state,
            offset=upload.offset,
            length=upload.length,
            policy=upload.policy_name,
            video=None if picture else upload.asset_id,
            image=upload.asset_id if picture else None,
            reason=upload.reason,
            reason_text=explain(upload.reason),
            created_at=upload.created_at,
            expires_at=upload.expires_at,
        )


class UploadList(BaseModel):
    """The caller's latest uploads, latest first."""

    model_config = ConfigDict(frozen=True)

    uploads: list[UploadAnswer]
