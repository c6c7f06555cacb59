"""How the headers of the tus 1.0 protocol are read and written (core, creation, checksum, expiration, termination)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime
from email.utils import format_datetime
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import Header
from starlette.datastructures import Headers

from opendrape.domain.uploads import Upload
from opendrape_gateway.receiving import LONGEST_NAME, Announced, Checksum
from opendrape_gateway.refusal import Refusal

VERSION: Final = "1.0.0"
_ALGORITHMS: Final = ("sha256", "sha1")
SPOKEN: Final = MappingProxyType({"Tus-Resumable": VERSION})
_LONGEST_METADATA: Final = 8192
_LARGEST: Final = 2**53
_SHA256 = re.compile(r"[0-9a-f]{64}")
_POLICY = re.compile(r"[a-z][a-z0-9-]{0,31}")

TusResumable = Annotated[str | None, Header(include_in_schema=False)]
"""Read as optional, so that its lack is answered as the protocol says (412); described as the must that it is."""
VERSION_PARAMETER: Final = MappingProxyType(
    {
        "in": "header",
        "name": "Tus-Resumable",
        "required": True,
        "schema": {"type": "string", "pattern": r"^1\.0\.0$"},
        "description": "the protocol's version",
    }
)


def abilities(max_bytes: int) -> dict[str, str]:
    """What an OPTIONS request is told."""
    return {
        **SPOKEN,
        "Tus-Version": VERSION,
        "Tus-Extension": "creation,checksum,expiration,termination",
        "Tus-Max-Size": str(max_bytes),
        "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
    }


def must_speak(version: str | None) -> None:
    """``Refusal`` 412 unless the client speaks this version."""
    if version != VERSION:
        raise Refusal(412, "tus_version", headers={"Tus-Version": VERSION})


def announced(headers: Headers, *, default_policy: str) -> Announced:
    """What the creation request says. ``Refusal`` 400 for a missing length or metadata that cannot be read."""
    if "upload-defer-length" in headers:
        raise Refusal(400, "upload_header")
    metadata = _metadata(headers.get("upload-metadata", ""))
    policy, sha256 = metadata.get("policy", default_policy), metadata.get("sha256") or None
    if not _POLICY.fullmatch(policy) or (sha256 and not _SHA256.fullmatch(sha256)):
        raise Refusal(400, "upload_header")
    name = metadata.get("filename") or metadata.get("name")
    return Announced(
        length=number(headers, "upload-length"), policy_name=policy, name=(name or "")[:LONGEST_NAME], sha256=sha256
    )


def number(headers: Headers, name: str) -> int:
    """A header that is a whole number. ``Refusal`` 400 when it is not."""
    text = headers.get(name, "")
    if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > _LARGEST:
        raise Refusal(400, "upload_header")
    return int(text)


def checksum(headers: Headers) -> Checksum | None:
    """What the bytes must have, if anything. ``Refusal`` 400 for an algorithm that is not spoken."""
    text = headers.get("upload-checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm not in _ALGORITHMS:
        raise Refusal(400, "upload_header")
    digest = _decoded(encoded)
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise Refusal(400, "upload_header")
    return Checksum(algorithm, digest)


def standing(upload: Upload) -> dict[str, str]:
    """How far the upload is and how long it is kept."""
    return {
        **SPOKEN,
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Expires": _http_date(upload.expires_at),
    }


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _metadata(text: str) -> dict[str, str]:
    if len(text) > _LONGEST_METADATA:
        raise Refusal(400, "upload_header")
    pairs = [pair.strip().partition(" ") for pair in text.split(",") if pair.strip()]
    try:
        return {key: _decoded(encoded).decode("utf-8") for key, _, encoded in pairs}
    except UnicodeDecodeError:
        raise Refusal(400, "upload_header") from None


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(400, "upload_header") from None
