"""An OpenID Connect issuer on loopback: a real HTTP server with a discovery document, keys, and ways to misbehave."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "opendrape-tests"
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_RSA_NEXT = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """The issuer as tests see it: what it serves may be changed at any time; ``asked`` counts requests by path."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.status = 200
        self.content: bytes | None = None
        self.keys: list[dict[str, Any]] = [public("one"), public("ec")]
        self.address = ""

    def token(
        self, kid: str | None = "one", *, alg: str | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A good token unless told otherwise; a claim of None is left out."""
        now = int(time.time())
        good = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": "a-person",
            "iat": now,
            "exp": now + 300,
            "roles": ["user"],
        }
        content = {name: value for name, value in (good | claims).items() if value is not None}
        key = {"one": _RSA, "next": _RSA_NEXT, "ec": _EC}.get(kid or "one", _RSA)
        chosen = alg or ("ES256" if kid == "ec" else "RS256")
        headers = ({"kid": kid} if kid else {}) | (header or {})
        return jwt.encode(content, key, algorithm=chosen, headers=headers)

    def jwks_asked(self) -> int:
        """How often the keys were fetched."""
        return self.asked.get("/keys", 0)


def public(kid: str) -> dict[str, Any]:
    """A public key of the issuer as JWK."""
    if kid == "ec":
        return json.loads(ECAlgorithm.to_jwk(_EC.public_key())) | {"kid": kid, "use": "sig", "alg": "ES256"}
    key = {"one": _RSA, "next": _RSA_NEXT}[kid]
    return json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "RS256"}


def public_pem() -> bytes:
    """The first key as anybody can have it."""
    return _RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def encoded(content: dict[str, Any]) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@contextlib.contextmanager
def running_issuer() -> Iterator[Issuer]:
    """A listening issuer while the context lasts."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] = issuer.asked.get(self.path, 0) + 1
            documents = {
                "/.well-known/openid-configuration": {"issuer": issuer.address, "jwks_uri": f"{issuer.address}/keys"},
                "/keys": {"keys": issuer.keys},
            }
            content = issuer.content
            if content is None:
                content = json.dumps(documents.get(self.path, {})).encode()
            self.send_response(issuer.status)
            self.send_header("Location", f"{issuer.address}/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
