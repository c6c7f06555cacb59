"""What schemathesis does not know by itself: how a piece of an upload is sent, and that each refusal is a problem."""

from __future__ import annotations

from typing import Any

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@schemathesis.hook
def filter_case(_ctx: Any, case: Any) -> bool:
    """A header that nobody knows makes no request wrong."""
    return not any("unknown-property" in name.lower() for name in case.headers or {})


@schemathesis.check
def every_refusal_is_a_problem(ctx: Any, response: Any, case: Any) -> None:
    """RFC 9457 on every error, the framework's own included; only an unwell health answer is a document of its own."""
    if response.status_code < 400 or (response.status_code == 503 and "health" in case.path):
        return
    (kind,) = response.headers["content-type"]
    assert kind == "application/problem+json", (case.path, response.status_code, kind)
