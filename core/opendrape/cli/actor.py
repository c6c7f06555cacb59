"""Who acts at the command line, and is there a state folder to act on?"""

from __future__ import annotations

import os

from opendrape.errors import ConfigurationError
from opendrape.settings import Settings


def actor() -> str:
    """The account's number, for the audit: names stay out of it."""
    return f"cli:uid-{os.getuid()}"


def existing_state(settings: Settings) -> None:
    """``ConfigurationError`` when nothing was ever run here: an admin act must not make a new, empty map."""
    if not (settings.has_shared_map or settings.key_map_path.is_file()):
        raise ConfigurationError("there is no key map in this state folder; name it with --state-dir", reason="no_map")


def existing_catalogue(settings: Settings) -> None:
    """``ConfigurationError`` when the catalogue is a file and was never made: an admin act must not make a new one."""
    if not settings.catalogue.url and not (settings.state_dir / "catalogue.sqlite3").is_file():
        raise ConfigurationError(
            "there is no catalogue in this folder; name it with --state-dir", reason="no_catalogue"
        )
