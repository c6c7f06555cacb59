"""Which fixtures every test may ask for."""

from __future__ import annotations

from tests.models_fixture import models_dir
from tests.servers.azurite import azurite, container_name

__all__ = ["azurite", "container_name", "models_dir"]
