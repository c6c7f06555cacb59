"""Is this token good, and who is it: signature, issuer, audience, times, client and roles of a JWT (H-05)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from opendrape.domain.access import Caller, Role, scopes_of
from opendrape.errors import ConfigurationError, SignInRequired
from opendrape.settings import OidcSettings
from opendrape_gateway.issuer_client import IssuerClient
from opendrape_gateway.issuer_keys import IssuerKeys

_LONGEST_KEY_ID: Final = 256


class IssuedTokens:
    """Verifies the tokens of one issuer. The algorithm is one of the allowed ones *and* that of the issuer's key, so
    neither ``none`` nor a public key used as a shared secret gets through.
    """

    def __init__(self, settings: OidcSettings, keys: IssuerKeys) -> None:
        self._settings, self._keys = settings, keys
        self._roles = settings.roles or {role.value: role for role in Role}

    async def caller(self, token: str) -> Caller:
        """Whoever the token was issued to. ``SignInRequired``: ``credential_invalid``, ``credential_expired``,
        ``credential_unknown`` (the issuer has no such key); ``IssuerUnreachable``.
        """
        key = await self._keys.key(self._key_id(token))
        chosen = self._settings
        try:
            claims = jwt.decode(
                token,
                key=key,
                algorithms=chosen.algorithms,
                issuer=chosen.issuer,
                audience=chosen.audience,
                leeway=chosen.clock_skew_seconds,
                options={"require": ["exp", "iss", "aud", chosen.subject_claim]},
            )
        except ExpiredSignatureError:
            raise SignInRequired(reason="credential_expired") from None
        except (PyJWTError, ValueError, TypeError, RecursionError):
            raise SignInRequired(reason="credential_invalid") from None
        return self._caller(claims)

    def _key_id(self, token: str) -> str:
        """Looked at before anything is fetched: a token that cannot be good costs the issuer nothing."""
        try:
            header = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError, TypeError, RecursionError):
            raise SignInRequired(reason="credential_invalid") from None
        key_id = header.get("kid")
        is_odd = header.get("alg") not in self._settings.algorithms or "crit" in header
        if is_odd or not isinstance(key_id, str) or not 0 < len(key_id) <= _LONGEST_KEY_ID:
            raise SignInRequired(reason="credential_invalid")
        return key_id

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        chosen = self._settings
        subject = claims[chosen.subject_claim]
        client = claims.get("azp", claims.get("appid"))
        if not isinstance(subject, str) or not subject or (chosen.clients and client not in chosen.clients):
            raise SignInRequired(reason="credential_invalid")
        roles = frozenset(self._roles[name] for name in _names(claims, chosen.roles_claim) if name in self._roles)
        return Caller(subject=_pseudonym(chosen.issuer, subject), roles=roles, scopes=scopes_of(roles))


def issued_tokens(settings: OidcSettings, monotonic: Callable[[], float]) -> IssuedTokens | None:
    """The verifier for the configured issuer; None without one. ``ConfigurationError``: ``issuer_not_https``,
    ``audience_missing``.
    """
    if not settings.issuer:
        return None
    if not settings.audience:
        raise ConfigurationError("an issuer is set but no audience", reason="audience_missing")
    client = IssuerClient(issuer=settings.issuer, jwks_url=settings.jwks_url, timeout_seconds=settings.timeout_seconds)
    keys = IssuerKeys(
        client.fetch,
        monotonic=monotonic,
        fresh_seconds=settings.keys_fresh_seconds,
        stale_seconds=settings.keys_stale_seconds,
        refetch_seconds=settings.refetch_seconds,
    )
    return IssuedTokens(settings, keys)


def _names(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The role names in a claim: a list, or one text with spaces between; under its whole name or step by step."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for step in claim.split("."):
            found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found.split()
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _pseudonym(issuer: str, subject: str) -> str:
    """Issuer and immutable id, hashed: the same person at each sign-in, no name in columns, audit or logs."""
    return f"person-{hashlib.sha256(json.dumps([issuer, subject]).encode()).hexdigest()[:32]}"
