"""How a representation gets its tag, and when a client already has it (RFC 9110, 13.1.2)."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import Response

TAG = {"ETag": {"description": "tag of this representation", "schema": {"type": "string"}}}

OWN_CACHE: Final = "private, no-cache"
"""Only the client itself may keep it, and asks each time."""


def tag_of(content: bytes) -> str:
    """The tag of these bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def tagged(content: bytes, if_none_match: str | None) -> Response:
    """The JSON with its tag, or 304 when the client has it."""
    tag = tag_of(content)
    headers = {"ETag": tag, "Cache-Control": OWN_CACHE}
    if is_known(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Weak comparison with any listed tag, or ``*``."""
    if if_none_match is None:
        return False
    listed = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in listed or tag in listed
