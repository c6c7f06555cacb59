"""Whose credential is this: API keys and tokens, failed attempts counted per address (H-05).

What fails is counted, logged by reason and slowed down by address. A credential that was good in the last minutes still
works from an address where others fail, so that one misconfigured client behind a proxy locks nobody out.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

from anyio import to_thread

from opendrape.access.key_office import KeyOffice
from opendrape.access.key_text import PREFIX
from opendrape.domain.access import Caller
from opendrape.errors import OpenDrapeError, SignInRequired, TooManySignIns
from opendrape.logging import get_log
from opendrape.metrics import Metrics

LONGEST_CREDENTIAL: Final = 16_384
_WINDOW_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 4096
_MOST_CREDENTIALS: Final = 1024
_log = get_log("gateway")


class TokenVerifier(Protocol):
    """Turns an issuer's token into a caller; ``SignInRequired`` or ``IssuerUnreachable`` otherwise."""

    async def caller(self, token: str) -> Caller: ...


class Doorkeeper:
    """Admits or refuses. One per app; used on its event loop only."""

    def __init__(
        self,
        keys: KeyOffice,
        tokens: TokenVerifier | None,
        *,
        metrics: Metrics,
        monotonic: Callable[[], float],
        failed_per_minute: int,
    ) -> None:
        self._keys, self._tokens, self._metrics = keys, tokens, metrics
        self._failures = FailedSignIns(monotonic=monotonic, per_minute=failed_per_minute)

    async def admit(self, authorization: list[str], address: str) -> Caller:
        """Whoever presents these ``Authorization`` headers. ``SignInRequired``, ``TooManySignIns``,
        ``IssuerUnreachable``, ``CatalogueUnavailable``.
        """
        credential = _bearer(authorization)
        if credential is None:
            raise SignInRequired
        if self._failures.must_wait(address, credential):
            self._metrics.signed_in(TooManySignIns.default_reason)
            raise TooManySignIns
        try:
            caller = await self._recognised(credential)
        except OpenDrapeError as refusal:
            self._note(refusal, address)
            raise
        self.admitted(credential)
        return caller

    def admit_at_once(self, authorization: list[str], address: str) -> tuple[Caller | None, str]:
        """Whoever holds this key, with the credential, by a look that never waits; nobody when ``admit`` is to be
        asked. Nothing is counted: ``admitted`` does, when the request is answered.
        """
        credential = _bearer(authorization)
        if credential is None or not credential.startswith(PREFIX) or self._failures.must_wait(address, credential):
            return None, ""
        return self._keys.recognise_at_once(credential), credential

    def admitted(self, credential: str) -> None:
        """Count a good sign-in."""
        self._failures.succeeded(credential)
        self._metrics.signed_in("ok")

    async def _recognised(self, credential: str) -> Caller:
        if credential.startswith(PREFIX):
            caller = self._keys.recognise_at_once(credential)
            return caller if caller else await to_thread.run_sync(self._keys.recognise, credential)
        if self._tokens is None or len(credential) > LONGEST_CREDENTIAL:
            raise SignInRequired(reason="credential_unknown")
        return await self._tokens.caller(credential)

    def _note(self, refusal: OpenDrapeError, address: str) -> None:
        self._metrics.signed_in(refusal.reason)
        if isinstance(refusal, SignInRequired):
            self._failures.failed(address)
        _log.warning("sign_in_refused", reason=refusal.reason)


class FailedSignIns:
    """How often sign-ins failed, per address (IPv6: per /64), in the present minute; bounded in memory."""

    def __init__(self, *, monotonic: Callable[[], float], per_minute: int) -> None:
        self._monotonic, self._per_minute = monotonic, per_minute
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def must_wait(self, address: str, credential: str) -> bool:
        """True when too many failed from there and the credential is not one that was good before."""
        since, count = self._counts.get(network_of(address), (0.0, 0))
        if count < self._per_minute or self._monotonic() - since >= _WINDOW_SECONDS:
            return False
        return _digest(credential) not in self._good

    def failed(self, address: str) -> None:
        """Count one."""
        network, now = network_of(address), self._monotonic()
        since, count = self._counts.pop(network, (now, 0))
        self._counts[network] = (since, count + 1) if now - since < _WINDOW_SECONDS else (now, 1)
        if len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)

    def succeeded(self, credential: str) -> None:
        """Remember, as a digest, that the credential was good. It is still checked each time."""
        digest = _digest(credential)
        self._good.pop(digest, None)
        self._good[digest] = None
        if len(self._good) > _MOST_CREDENTIALS:
            self._good.popitem(last=False)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What one attempt is counted under: an IPv4 address, an IPv6 /64, or ``unknown``."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _bearer(authorization: list[str]) -> str | None:
    if len(authorization) != 1:  # two of them: somebody in between sees another one than we do
        return None
    scheme, _, credential = authorization[0].partition(" ")
    credential = credential.strip()
    return credential if scheme.lower() == "bearer" and credential else None


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode("utf-8", "replace")).digest()
