"""Where original names, paths and record numbers are kept: an encrypted SQLite file apart from the catalogue (P-04)."""

from opendrape.adapters.key_map.sqlite_map import SqliteKeyMap, open_key_map

__all__ = ["SqliteKeyMap", "open_key_map"]
