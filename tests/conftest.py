"""Which fixtures every test may ask for."""

from __future__ import annotations

from tests.models_fixture import models_dir

__all__ = ["models_dir"]
