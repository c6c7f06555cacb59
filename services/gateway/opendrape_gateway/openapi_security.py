"""What the API's description says about who may call what: every operation needs a bearer credential, health none."""

from __future__ import annotations

from typing import Any

from opendrape_gateway.gate import OPEN_PATHS

_SCHEME = "credential"


def say_who_may(document: dict[str, Any]) -> None:
    """Add the security scheme and requirements to an OpenAPI document, in place."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes[_SCHEME] = {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key (`odk_…`) or an access token of the configured OpenID Connect issuer",
    }
    document["security"] = [{_SCHEME: []}]
    for path, operations in document["paths"].items():
        if path in OPEN_PATHS:
            for operation in operations.values():
                operation["security"] = []
