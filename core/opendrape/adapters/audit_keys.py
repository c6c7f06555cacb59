"""Where the keys are kept that seal the audit: one file (0600), made on first use, replaced in one step."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError

from opendrape.adapters.private_files import create_private, read_private, replace_private
from opendrape.domain.audit_keys import KEY_BYTES, AuditKeys, key_id_of, new_audit_keys
from opendrape.errors import ConfigurationError

_NOTICE: Final = (
    "A new key that seals the audit was made. Back it up apart from the catalogue: whoever can write to both can "
    "rewrite the audit, and without the key nobody can check it."
)
_FORMAT: Final = "opendrape-audit-key/1"


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    format: Literal["opendrape-audit-key/1"]
    keys: tuple[Base64Bytes, ...] = Field(min_length=1, description="oldest first; the last one is active")


def open_audit_keys(
    path: Path, *, may_create: bool = True, notice: Callable[[str], None] = lambda _text: None
) -> AuditKeys:
    """Read the key file, or make one and say so. Of two processes that make one, both get the same.

    ``ConfigurationError``: ``key_file_missing``, ``key_file_permissions``, ``key_file_unreadable``.
    """
    if may_create and not path.exists() and create_private(path, _content(new_audit_keys())):
        notice(_NOTICE)
    try:
        read = _KeyFile.model_validate_json(read_private(path))
    except ValidationError:
        raise ConfigurationError("the audit's key file is not one", reason="key_file_unreadable") from None
    if any(len(key) != KEY_BYTES for key in read.keys):
        raise ConfigurationError("the audit's key file is not one", reason="key_file_unreadable")
    return AuditKeys({key_id_of(key): key for key in read.keys})


def add_audit_key(path: Path) -> AuditKeys:
    """Put a new active key beside the earlier ones. ``ConfigurationError`` as above."""
    keys = open_audit_keys(path, may_create=False).with_new_active()
    replace_private(path, _content(keys))
    return keys


def _content(keys: AuditKeys) -> bytes:
    listed = [b64encode(key).decode() for key in keys.secrets.values()]
    return json.dumps({"format": _FORMAT, "keys": listed}, indent=2).encode()
