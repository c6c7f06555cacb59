"""What every operation with a body may answer because of it: it cannot be read, it is too slow, it is too long."""

from __future__ import annotations

from typing import Any

from opendrape_gateway.problems import documented


def say_what_bodies_risk(document: dict[str, Any]) -> None:
    """Add the statuses to an OpenAPI document, in place, where an operation does not document them itself."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                for status, answer in documented(400, 408, 413).items():
                    operation["responses"].setdefault(str(status), answer)
