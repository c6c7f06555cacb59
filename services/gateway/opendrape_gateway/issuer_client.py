"""How the issuer is asked for its keys: over https, with a deadline, without redirects, a bounded answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from opendrape.errors import ConfigurationError, IssuerUnreachable
from opendrape_gateway.front import is_loopback

_MOST_BYTES: Final = 512 * 1024
_DISCOVERY: Final = "/.well-known/openid-configuration"


class IssuerClient:
    """Fetches the issuer's JWK set. ``jwks_url`` empty: by the issuer's own discovery document."""

    def __init__(self, *, issuer: str, jwks_url: str, timeout_seconds: float) -> None:
        """``ConfigurationError`` (``issuer_not_https``) for an address that is neither https nor on this machine."""
        self._issuer, self._jwks_url, self._timeout_seconds = issuer, jwks_url, timeout_seconds
        for address in filter(None, (issuer, jwks_url)):
            if not _is_safe(address):
                raise ConfigurationError("the issuer's address is not https", reason="issuer_not_https")

    async def fetch(self) -> Mapping[str, Any]:
        """The JWK set as parsed JSON. ``IssuerUnreachable`` for everything that goes wrong."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with httpx.AsyncClient(
                    timeout=self._timeout_seconds, follow_redirects=False, trust_env=False
                ) as client:
                    return await _document(client, self._jwks_url or await self._discovered(client))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            raise IssuerUnreachable from error

    async def _discovered(self, client: httpx.AsyncClient) -> str:
        document = await _document(client, self._issuer.rstrip("/") + _DISCOVERY)
        address = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(address, str) or not _is_safe(address):
            raise IssuerUnreachable
        return address


async def _document(client: httpx.AsyncClient, address: str) -> Mapping[str, Any]:
    async with client.stream("GET", address, headers={"Accept": "application/json"}) as response:
        if response.status_code != 200:
            raise IssuerUnreachable
        content = b""
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > _MOST_BYTES:
                raise IssuerUnreachable
    document = json.loads(content)
    if not isinstance(document, dict):
        raise IssuerUnreachable
    return document


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
