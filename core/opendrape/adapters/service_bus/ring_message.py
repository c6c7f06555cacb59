"""What does a message on the bus say: which form, which item, which kind of work; nothing else (P-05)."""

from __future__ import annotations

import json
from typing import Final

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from opendrape.domain.work import WorkKind
from opendrape.errors import PermanentError

VERSION: Final = 1
LARGEST_BYTES: Final = 1024


class RingUnreadable(PermanentError):
    """A message that is no ring of ours; ``reason`` says why."""

    default_reason = "ring_malformed"
    next_step = "Look where it came from: `opendrape bus dead-letters list`."


class RingMessage(BaseModel):
    """The whole of a message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: StrictInt = VERSION
    item_id: StrictInt
    kind: WorkKind


def written(kind: WorkKind, item_id: int) -> bytes:
    """A ring as bytes."""
    return RingMessage(item_id=item_id, kind=kind).model_dump_json().encode()


def read(body: bytes, *, queue: WorkKind) -> RingMessage:
    """A ring from the body of a message of the queue for ``queue``. ``RingUnreadable`` when it is none."""
    content = _content(body)
    version = content.get("version")
    if type(version) is not int:
        raise RingUnreadable
    if version != VERSION:  # of a later version we know nothing, not even that the item is meant as we mean it
        raise RingUnreadable(reason="ring_version_unknown")
    try:
        ring = RingMessage.model_validate(content)
    except ValidationError as error:
        raise RingUnreadable from error
    if ring.kind is not queue or not 0 < ring.item_id < 2**63:
        raise RingUnreadable
    return ring


def _content(body: bytes) -> dict[str, object]:
    if len(body) > LARGEST_BYTES:
        raise RingUnreadable
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RingUnreadable from error
    if not isinstance(content, dict):
        raise RingUnreadable
    return content
