"""Which models the API's description names although the framework neither reads nor writes them itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from opendrape.domain.regions import Receipt
from opendrape_gateway.forms import FIELD
from opendrape_gateway.frame_answers import FramesWish
from opendrape_gateway.problems import Problem

_PLACE = "#/components/schemas/{model}"


class VideoForm(BaseModel):
    """The form with one video or picture: it streams to disk, so it is read by hand."""

    model_config = ConfigDict(extra="forbid")

    file: bytes = Field(description="the video or picture")


class ReceiptSignature(BaseModel):
    """Ed25519 over the receipt's canonical JSON (RFC 8785)."""

    model_config = ConfigDict(extra="forbid")

    algorithm: Literal["Ed25519"]
    key_id: str
    public_key: str = Field(description="Base64; compare it with the one you were given")
    value: str = Field(description="Base64")


class SignedReceipt(BaseModel):
    """What was done to one video, and who says so. Keep the bytes as they came."""

    model_config = ConfigDict(extra="forbid")

    receipt: Receipt
    signature: ReceiptSignature


def name_models(document: dict[str, Any]) -> None:
    """Add them to an OpenAPI document, in place; ``reference`` leads there."""
    assert list(VideoForm.model_fields) == [FIELD]
    _, made = models_json_schema(
        [(model, "validation") for model in (Problem, FramesWish, VideoForm)], ref_template=_PLACE
    )
    document.setdefault("components", {}).setdefault("schemas", {}).update(made["$defs"])


def reference(model: type[BaseModel]) -> dict[str, str]:
    """The schema of a model by its name."""
    return {"$ref": _PLACE.format(model=model.__name__)}
