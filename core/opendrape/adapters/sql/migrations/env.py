"""How does Alembic reach the database: over the connection that the catalogue hands it, in its transaction."""

from __future__ import annotations

from alembic import context

from opendrape.adapters.sql import upload_tables, webhook_tables  # noqa: F401 - their tables belong to METADATA
from opendrape.adapters.sql.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
