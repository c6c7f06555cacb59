"""How the map leaves the house: every row as it is, encrypted, in one new file that only its owner can read."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from opendrape.adapters.key_map.sealing import Row
from opendrape.adapters.private_files import create_private
from opendrape.errors import BlobConflict

FORMAT = "opendrape-key-map-export/1"


def write_export(destination: Path, rows: Sequence[Row]) -> None:
    """Write a new file (0600): a line that names the format, then one JSON line per row, oldest first.

    The rows open with the map's key file and nothing else. ``BlobConflict`` when the file exists.
    """
    lines = [json.dumps({"format": FORMAT, "rows": len(rows)}), *(json.dumps(_exported(row)) for row in rows)]
    if not create_private(destination, ("\n".join(lines) + "\n").encode()):
        raise BlobConflict


def _exported(row: Row) -> dict[str, str | int | None]:
    return {
        "row_id": row.row_id,
        "kind": row.kind,
        "pseudonym": row.pseudonym,
        "subject_id": row.subject_id,
        "blind": b64encode(row.blind).decode(),
        "key_version": row.key_version,
        "sealed": b64encode(row.sealed).decode(),
    }
