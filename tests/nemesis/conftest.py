"""Processes of these tests run as a user's do."""

from __future__ import annotations

from tests.unmeasured import unmeasured_processes

__all__ = ["unmeasured_processes"]
