"""Which fixtures every test may ask for."""

from __future__ import annotations

from tests.models_fixture import models_dir
from tests.servers.azurite import azurite, container_name
from tests.servers.postgresql import catalogue_url, empty_url, postgresql
from tests.servers.redis import redis_server

__all__ = [
    "azurite",
    "catalogue_url",
    "container_name",
    "empty_url",
    "models_dir",
    "postgresql",
    "redis_server",
]
