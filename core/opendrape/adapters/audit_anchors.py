"""Where the heads of the audit's chain are kept outside the catalogue: one line of JSON each, appended and fsynced."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opendrape.domain.audit import Anchor
from opendrape.errors import StorageUnavailable
from opendrape.ports.audit_trail import Anchors

_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_DIGEST: Final = r"^[0-9a-f]{64}$"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    position: int = Field(ge=1)
    mac: str = Field(pattern=_DIGEST)
    at: datetime
    key_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    proof: str = Field(pattern=_DIGEST)


class AnchorFile(Anchors):
    """A file (0600) that only grows. A line that a crash cut off is passed over: the next one begins on a new line."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def append(self, anchor: Anchor) -> None:
        content = {
            "position": anchor.position,
            "mac": anchor.mac,
            "at": anchor.at.isoformat(timespec="microseconds"),
            "key_id": anchor.key_id,
            "proof": anchor.proof,
        }
        try:
            with self._lock:
                is_new = not self._path.exists()
                descriptor = os.open(self._path, _APPEND, 0o600)
                try:
                    # the leading line end parts it from what a crash may have left; one write, so lines never mix
                    line = b"\n" + json.dumps(content).encode() + b"\n"
                    if os.write(descriptor, line) != len(line):
                        raise StorageUnavailable(reason="disk_full")
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                if is_new:
                    self._flush_folder()
        except OSError as error:
            raise StorageUnavailable from error

    def read(self) -> Sequence[Anchor]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageUnavailable from error
        return [anchor for line in content.splitlines() if (anchor := _anchor(line)) is not None]

    def _flush_folder(self) -> None:
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _anchor(line: bytes) -> Anchor | None:
    try:
        read = _Line.model_validate_json(line)
    except ValidationError:
        return None
    return Anchor(read.position, read.mac, read.at, read.key_id, read.proof)
