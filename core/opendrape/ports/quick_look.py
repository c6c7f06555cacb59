"""What may be read without waiting for a server or a lock, so that an event loop reads it itself."""

from __future__ import annotations

from typing import Protocol

from opendrape.ports.access import StoredKey
from opendrape.ports.video_shelf import Glance, Standing


class QuickLook(Protocol):
    """Answers as the stores would, or None: not there, or not to be had at once. Only a found thing says anything;
    whoever gets None asks the store. Never waits, never raises.
    """

    def key(self, key_id: str) -> StoredKey | None:
        """See ``AccessStore.find_key``."""

    def glance(self, asset_id: str, owner: str | None) -> Glance | None:
        """See ``VideoShelf.glance``."""

    def standing(self, asset_id: str) -> Standing | None:
        """See ``VideoShelf.standings``."""


class NoQuickLook(QuickLook):
    """Where the catalogue is a server's: everything is asked of the stores."""

    def key(self, key_id: str) -> StoredKey | None:  # noqa: ARG002
        return None

    def glance(self, asset_id: str, owner: str | None) -> Glance | None:  # noqa: ARG002
        return None

    def standing(self, asset_id: str) -> Standing | None:  # noqa: ARG002
        return None
