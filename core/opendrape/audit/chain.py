"""How is one event bound to its place in the chain: HMAC-SHA-256 over canonical JSON (RFC 8785) of event, place and the
seal before it.

A bare hash chain can be computed anew by whoever can write to the database; without the key this one cannot.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import rfc8785

from opendrape.domain.audit import Anchor, Seal, StoredEvent

GENESIS: Final = "0" * 64
"""What the first seal takes for the seal before it."""


def seal_events(
    events: Sequence[StoredEvent], *, head: Seal | None, now: datetime, key_id: str, key: bytes
) -> tuple[Seal, ...]:
    """The seals of these events, in this order, after ``head``."""
    seals: list[Seal] = []
    position, previous = (head.position, head.mac) if head else (0, GENESIS)
    for stored in events:
        position += 1
        bare = Seal(position, stored.event_id, now, key_id, mac="")
        seal = Seal(position, stored.event_id, now, key_id, mac=mac_of(bare, stored, previous=previous, key=key))
        seals.append(seal)
        previous = seal.mac
    return tuple(seals)


def mac_of(seal: Seal, stored: StoredEvent, *, previous: str, key: bytes) -> str:
    """What the seal's ``mac`` must be, in hex. ``ValueError`` for facts that canonical JSON cannot hold."""
    event = stored.event
    return _mac(
        key,
        {
            "format": "opendrape-audit-seal/1",
            "position": seal.position,
            "previous": previous,
            "sealed_at": _instant(seal.sealed_at),
            "key_id": seal.key_id,
            "event_id": stored.event_id,
            "at": _instant(event.at),
            "actor": event.actor,
            "action": event.action,
            "object_id": event.object_id,
            "facts": event.facts,
        },
    )


def anchor_of(seal: Seal, *, now: datetime, key_id: str, key: bytes) -> Anchor:
    """An anchor for this head."""
    return Anchor(seal.position, seal.mac, now, key_id, proof=_proof(seal.position, seal.mac, now, key_id, key))


def is_genuine(anchor: Anchor, key: bytes) -> bool:
    """True when the anchor was made with this key."""
    expected = _proof(anchor.position, anchor.mac, anchor.at, anchor.key_id, key)
    return hmac.compare_digest(expected, anchor.proof)


def same(one: str, other: str) -> bool:
    """Compare two proofs in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _proof(position: int, mac: str, at: datetime, key_id: str, key: bytes) -> str:
    content: dict[str, Any] = {
        "format": "opendrape-audit-anchor/1",
        "position": position,
        "mac": mac,
        "at": _instant(at),
    }
    return _mac(key, content | {"key_id": key_id})


def _mac(key: bytes, content: dict[str, Any]) -> str:
    return hmac.new(key, rfc8785.dumps(content), hashlib.sha256).hexdigest()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
