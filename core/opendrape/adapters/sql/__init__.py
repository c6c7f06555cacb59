"""The catalogue on SQLAlchemy: one SQL for SQLite on one machine and, prepared, PostgreSQL in a cluster."""
