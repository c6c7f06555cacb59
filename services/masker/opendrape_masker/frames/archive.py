"""How pictures get into a ZIP that says the same for the same frames, and whether it holds exactly them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from opendrape.errors import FidelityBroken

MANIFEST: Final = "manifest.json"
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o100644 << 16


@dataclass
class ArchiveWriter:
    """Pictures go in one by one, as they come; memory does not grow with their number."""

    path: Path
    about: dict[str, Any]
    _entries: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> ArchiveWriter:
        self._zip = zipfile.ZipFile(self.path, "x", zipfile.ZIP_STORED, allowZip64=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            content = json.dumps(self.about | {"pictures": self._entries}, indent=1, sort_keys=True)
            self._write(MANIFEST, content.encode())
        self._zip.close()

    def add(self, name: str, content: bytes, **facts: str | int | float) -> None:
        """One picture, with what the manifest says about it."""
        self._write(name, content)
        self._entries.append({"name": name, "sha256": hashlib.sha256(content).hexdigest(), **facts})

    def _write(self, name: str, content: bytes) -> None:
        entry = zipfile.ZipInfo(name, _NO_TIME)
        entry.external_attr = _READABLE
        self._zip.writestr(entry, content)


def prove_archive(path: Path, names: Collection[str]) -> None:
    """Read every byte back. ``FidelityBroken`` unless it holds exactly these pictures and its manifest, undamaged."""
    with zipfile.ZipFile(path) as written:
        if sorted(written.namelist()) != sorted([*names, MANIFEST]):
            raise FidelityBroken("other pictures than asked for", reason="frames_differ")
        for entry in json.loads(written.read(MANIFEST))["pictures"]:
            if hashlib.sha256(written.read(entry["name"])).hexdigest() != entry["sha256"]:
                raise FidelityBroken("a picture in the archive is damaged", reason="frames_differ")
