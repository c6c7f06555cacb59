"""``python -m opendrape_ingest``: the ingest service as a process of its own."""

from __future__ import annotations

import sys

from opendrape.serving.process import serve_process
from opendrape_ingest.composition import PLAN

if __name__ == "__main__":
    sys.exit(serve_process(PLAN))
