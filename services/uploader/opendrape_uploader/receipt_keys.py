"""Which key signs receipts: Ed25519, made on first use, private to its owner, the public half beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opendrape.adapters.private_files import create_private, read_private
from opendrape.errors import ConfigurationError

_NOTICE: Final = (
    "A new key that signs receipts was made. Give the .pub file beside it to whoever checks receipts, "
    "by a way that they trust."
)
_PEM: Final = serialization.Encoding.PEM


class SigningKey:
    """An Ed25519 private key at work."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    def sign(self, content: bytes) -> bytes:
        """64 bytes; the same content gives the same signature (RFC 8032)."""
        return self._key.sign(content)


class PublicKey:
    """An Ed25519 public key: ``raw`` is 32 bytes, ``key_id`` the first 16 hex digits of their SHA-256."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.raw = key.public_bytes_raw()
        self.key_id = hashlib.sha256(self.raw).hexdigest()[:16]

    @classmethod
    def from_raw(cls, raw: bytes) -> PublicKey:
        """``ValueError`` unless it is 32 bytes."""
        return cls(Ed25519PublicKey.from_public_bytes(raw))

    def signed(self, content: bytes, signature: bytes) -> bool:
        """True when this key's owner signed exactly these bytes."""
        try:
            self._key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


def open_signing_key(path: Path, *, notice: Callable[[str], None]) -> SigningKey:
    """Read the private key (PEM), or make one (0600) and say so; the public half is kept beside it as ``.pub``.

    ``ConfigurationError``: ``key_file_permissions``, ``key_file_unreadable``, ``private_file_not_writable``;
    ``key_file_missing`` when only the public half is left: receipts of a new key would not verify with it.
    """
    public = public_key_path(path)
    if not path.exists() and public.exists():
        raise ConfigurationError(
            "the receipt key is gone, its .pub is not: restore the key, or move the .pub aside to begin with a new one",
            reason="key_file_missing",
        )
    if not path.exists() and create_private(path, _private_pem(Ed25519PrivateKey.generate())):
        notice(_NOTICE)
    try:
        key = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("the receipt key file holds no Ed25519 key", reason="key_file_unreadable")
    # Read-only key folders (mounted secrets) bring their own public half.
    if not public.exists():
        create_private(public, _public_pem(key), mode=0o644)
    elif read_public_key(public).raw != key.public_key().public_bytes_raw():
        raise ConfigurationError("the .pub beside the receipt key is of another key", reason="public_key_differs")
    return SigningKey(key)


def public_key_path(path: Path) -> Path:
    """Where the public half of the key at ``path`` is."""
    return path.with_name(path.name + ".pub")


def read_public_key(path: Path) -> PublicKey:
    """``ConfigurationError`` (``public_key_unreadable``) unless the file holds an Ed25519 public key in PEM."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError("the file holds no Ed25519 public key", reason="public_key_unreadable")
    return PublicKey(key)


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
