"""What ``docs/openapi.json`` says: ``python -m opendrape_gateway.openapi_page > docs/openapi.json``."""

from __future__ import annotations

import json
import sys

from opendrape_gateway.composition import describe_api


def openapi_text() -> str:
    """The document as it is committed."""
    return json.dumps(describe_api(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
