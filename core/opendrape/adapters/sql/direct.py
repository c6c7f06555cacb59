"""How one statement goes to PostgreSQL past SQLAlchemy, committed by itself: what every worker says all the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

from opendrape.errors import CatalogueUnavailable


def first_row(engine: Engine, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
    """The statement's first row, over a connection of the engine's pool. Takes half the processor time of a detour.

    Errors are SQLAlchemy's; a connection that died gives ``CatalogueUnavailable`` (``commit_in_doubt``).
    """
    driver_error = engine.dialect.loaded_dbapi.Error
    try:
        borrowed = engine.raw_connection()
    except driver_error as error:
        raise _told(driver_error, error, died=False) from error
    try:
        return _asked(borrowed, statement, values)
    except driver_error as error:
        died = bool(getattr(borrowed.driver_connection, "closed", True))
        told = _told(driver_error, error, died=died)
        if not died:
            raise told from error
        borrowed.invalidate()
        raise CatalogueUnavailable(reason="commit_in_doubt") from told
    finally:
        borrowed.close()


def _asked(borrowed: PoolProxiedConnection, statement: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
    connection: Any = borrowed.driver_connection
    connection.autocommit = True
    try:
        row: tuple[Any, ...] | None = connection.execute(statement, values, prepare=True).fetchone()
    finally:
        if not connection.closed:
            connection.autocommit = False
    return row


def _told(driver_error: type[Exception], error: Exception, *, died: bool) -> DBAPIError:
    """As SQLAlchemy tells it: no statement, no values."""
    told = DBAPIError.instance(None, None, error, driver_error, hide_parameters=True, connection_invalidated=died)
    assert isinstance(told, DBAPIError)
    return told
