"""How does a dry run ask catalogue and map without touching them: by private copies, gone afterwards (I-07)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opendrape.adapters.system_clock import SystemClock
from opendrape.bootstrap import opened_records
from opendrape.settings import KeySettings, Settings
from opendrape.state_folder import sole_owner_of_existing
from opendrape_ingest.scan import PreviewParts

_SUFFIXES = ("", "-wal")


@contextmanager
def preview_parts(settings: Settings) -> Iterator[PreviewParts]:
    """Parts that answer like the real ones and cannot change them; without a state folder, ones that know nothing.

    Opening a SQLite file in WAL mode makes files beside it, therefore copies. ``ConfigurationError`` when another
    process is at work in the state folder: a copy made meanwhile could be torn.
    """
    if not (settings.key_map_path.is_file() and settings.map_key_path.is_file()):
        yield PreviewParts(settings=settings, clock=SystemClock())
        return
    with sole_owner_of_existing(settings.state_dir), tempfile.TemporaryDirectory(prefix="opendrape-") as folder:
        copied = _copied(settings, Path(folder))
        with opened_records(copied) as records:
            yield PreviewParts(
                settings=settings, clock=records.clock, catalogue=records.catalogue, key_map=records.key_map
            )


def _copied(settings: Settings, folder: Path) -> Settings:
    """Settings that point at copies of both databases; the key file is only read, where it is."""
    keys = KeySettings(map_key_file=settings.map_key_path, receipt_key_file=settings.receipt_key_path)
    copied = settings.model_copy(update={"state_dir": folder, "keys": keys})
    originals = {copied.key_map_path: settings.key_map_path}
    if not settings.catalogue.url.get_secret_value():
        originals[folder / "catalogue.sqlite3"] = settings.state_dir / "catalogue.sqlite3"
    for copy, original in originals.items():
        for suffix in _SUFFIXES:
            source = original.with_name(original.name + suffix)
            if source.is_file():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
    return copied
