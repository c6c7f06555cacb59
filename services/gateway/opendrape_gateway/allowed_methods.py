"""Which methods does an address take: all of them, for ``Allow`` (RFC 9110, 10.2.1), whichever routes they are of."""

from __future__ import annotations

import re
from functools import cache

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path


def allowed_methods(app: FastAPI, path: str) -> str:
    """Comma-separated, in order. A route without parameters hides those that the same path would fit otherwise."""
    found: dict[str, set[str]] = {}
    for context in iter_route_contexts(app.routes):
        methods, template = getattr(context.original_route, "methods", None), context.path or ""
        if methods and _pattern(template).match(path):
            found.setdefault(template, set()).update(methods)
    literal = {template: methods for template, methods in found.items() if "{" not in template}
    return ", ".join(sorted(set[str]().union(*(literal or found).values())))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]
