"""How a receiver can tell that a webhook is ours: Standard Webhooks signatures, secrets that are made and not kept.

A secret is HMAC-SHA-256 of the endpoint's id and the secret's version under a key file (0600): no table holds one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from opendrape.adapters.private_files import create_private, read_private
from opendrape.domain.webhooks import Endpoint
from opendrape.errors import ConfigurationError

_KEY_BYTES: Final = 32
PREFIX: Final = "whsec_"


def load_or_create_webhook_key(path: Path) -> bytes:
    """The key; made on first use. ``ConfigurationError`` when the file cannot be read, or by others, or is no key."""
    if not path.exists():
        create_private(path, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
    try:
        key = bytes.fromhex(read_private(path).decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError("the key file of webhooks is not one", reason="key_file_unreadable")
    return key


@dataclass(frozen=True)
class WebhookSecrets:
    """Makes secrets and signatures; the key file is read, or made, at the first use."""

    path: Path
    _key: list[bytes] = field(default_factory=list, repr=False)

    def secret(self, endpoint: Endpoint) -> bytes:
        """32 bytes, the same as long as the version is."""
        if not self._key:
            self._key.append(load_or_create_webhook_key(self.path))
        message = f"opendrape/webhook/v1\0{endpoint.endpoint_id}\0{endpoint.secret_version}".encode()
        return hmac.new(self._key[0], message, hashlib.sha256).digest()

    def shown(self, endpoint: Endpoint) -> str:
        """As receivers' libraries want it."""
        return PREFIX + base64.b64encode(self.secret(endpoint)).decode()

    def headers(self, endpoint: Endpoint, *, message_id: str, body: bytes, now: Callable[[], int]) -> dict[str, str]:
        """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``."""
        timestamp = str(now())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.secret(endpoint), message_id, timestamp, body),
        }


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and HMAC-SHA-256 of ``id.timestamp.body`` in Base64 (standardwebhooks.com)."""
    signed = hmac.new(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()
