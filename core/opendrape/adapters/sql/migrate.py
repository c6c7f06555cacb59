"""How the schema becomes the one this build needs, also when several processes start at once."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from opendrape.adapters.sql import access_tables  # noqa: F401 - its tables join METADATA
from opendrape.adapters.sql.database import Database
from opendrape.adapters.sql.postgresql import without_limits
from opendrape.errors import ConfigurationError

_ADVISORY_LOCK = 0x0DD_4A9E
# Alembic keeps the running migration in module globals: two threads of one process take turns.
_ONE_AT_A_TIME = threading.Lock()


def migrate(database: Database) -> None:
    """Bring the schema to the newest revision, in one transaction. Idempotent; a second starter waits.

    ``ConfigurationError`` (``schema_unknown``) when a newer build was here: an older one must not work on its tables.
    """
    if is_current(database):
        return
    with _ONE_AT_A_TIME, database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(without_limits())
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            if _revision(connection) == newest_revision():
                return
        settings = _settings()
        settings.attributes["connection"] = connection
        try:
            command.upgrade(settings, "head")
        except CommandError:
            raise ConfigurationError("a newer OpenDrape made this catalogue", reason="schema_unknown") from None


def is_current(database: Database) -> bool:
    """True when the schema is at the newest revision this build knows."""
    with database.read() as connection:
        return _revision(connection) == newest_revision()


def newest_revision() -> str | None:
    """The head of the shipped migrations."""
    return ScriptDirectory.from_config(_settings()).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _settings() -> Config:
    settings = Config()
    folder = Path(__file__).parent / "migrations"
    settings.set_main_option("script_location", str(folder).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings
