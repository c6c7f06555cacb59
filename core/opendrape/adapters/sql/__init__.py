"""The catalogue on SQLAlchemy: one SQL for SQLite on one machine and PostgreSQL in a cluster."""
