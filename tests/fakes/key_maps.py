"""How tests open key maps, fill them and copy them: a folder or database per map, everything it said is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from opendrape.adapters.key_map import SqliteKeyMap, open_key_map
from opendrape.domain.audit import AuditEvent
from opendrape.domain.pseudonym import Scheme
from opendrape.ports.key_map import SourceRecord

SHA = "ab" * 32
SECRETS = ["Dr Xaver - Patientin Ypsilon 1981", "op links.mp4", "4711-0815", SHA]
RECORD = SourceRecord(f"/import/{SECRETS[0]}/{SECRETS[1]}", 123456789, 1234567890123456789, SHA, SECRETS[2])


class StillClock:
    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


class Maps:
    """Opens maps in one folder and keeps what they said."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder, self.url = folder, url
        self.path, self.key_file = folder / "map.sqlite3", folder / "keys" / "map.json"
        self.audited: list[AuditEvent] = []
        self.notices: list[str] = []
        self._opened: list[SqliteKeyMap] = []

    def open(self, scheme: Scheme = Scheme.RANDOM, audit: Callable[[AuditEvent], None] | None = None) -> SqliteKeyMap:
        opened = open_key_map(
            SecretStr(self.url) if self.url else self.path,
            self.key_file,
            scheme=scheme,
            audit=audit or self.audited.append,
            clock=StillClock(),
            notice=self.notices.append,
        )
        self._opened.append(opened)
        return opened

    def close(self) -> None:
        for opened in self._opened:
            opened.close()

    def bytes_on_disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())


def fill(key_map: SqliteKeyMap, number: int = 0) -> tuple[str, str]:
    record = SourceRecord(f"{RECORD.path}{number}", 1, 2, f"{number:064x}", f"R-{number}")
    asset, subject = key_map.asset_pseudonym(record.content_sha256), key_map.subject_pseudonym(f"R-{number}")
    key_map.remember_source(asset, record, subject_id=subject)
    return asset, subject


def copy_key(one: Maps, other: Maps) -> None:
    other.key_file.touch(0o600)
    other.key_file.write_bytes(one.key_file.read_bytes())


def cloned(tmp_path: Path, name: str, original: Maps) -> Path:
    folder = tmp_path / name
    clone = Maps(folder)
    clone.key_file.parent.mkdir(parents=True)
    copy_key(original, clone)
    clone.path.write_bytes(original.path.read_bytes())
    return folder
