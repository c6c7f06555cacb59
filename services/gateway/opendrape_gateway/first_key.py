"""How does the first admin get in: a key from a file, or one that is made at the first start and said once (H-05)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from opendrape.access.key_office import LONGEST_DAYS, KeyOffice
from opendrape.access.key_text import KeyText
from opendrape.adapters.private_files import read_private
from opendrape.domain.access import Role
from opendrape.errors import CatalogueUnavailable, ConfigurationError
from opendrape_gateway.desk import GatewayContainer

_ACTOR = "gateway:first-start"


def ensure_first_key(container: GatewayContainer, *, notice: Callable[[str], None]) -> None:
    """Make an admin's key when there never was one. Idempotent; of several processes with one file, one adds it.

    With ``OPENDRAPE_ACCESS__FIRST_KEY_FILE``: that key, unless it is known already (also when it was revoked).
    Without: a new key, told once through ``notice`` and kept nowhere. ``ConfigurationError`` for an unusable file.
    """
    chosen = container.settings.access
    if chosen.first_key_file is not None:
        _add_from(chosen.first_key_file, container)
    elif not container.access.has_keys():
        issued = _office(container).issue(
            label="first-admin", roles=[Role.ADMIN], scopes=None, days=chosen.key_days, actor=_ACTOR
        )
        notice(
            f"The admin's API key, shown this once: {issued.text}\n"
            f"Send it as `Authorization: Bearer`. It ends on {issued.key.expires_at:%Y-%m-%d}; "
            "`opendrape keys api create --role admin` makes another one."
        )


def _add_from(path: Path, container: GatewayContainer) -> None:
    text = KeyText.parse(read_private(path).decode("ascii", "replace").strip())
    if text is None:
        raise ConfigurationError("the file for the first key holds no API key", reason="first_key_unusable")
    if container.access.find_key(text.key_id) is not None:
        return
    try:
        _office(container).issue(
            label="first-admin", roles=[Role.ADMIN], scopes=None, days=LONGEST_DAYS, actor=_ACTOR, text=text
        )
    except CatalogueUnavailable:
        if container.access.find_key(text.key_id) is None:  # else another process was faster
            raise


def _office(container: GatewayContainer) -> KeyOffice:
    return KeyOffice(container.access, container.clock)
