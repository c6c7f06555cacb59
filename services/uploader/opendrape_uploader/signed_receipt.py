"""What a receipt file looks like: a receipt, and an Ed25519 signature over its RFC 8785 canonical JSON."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import rfc8785
from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from opendrape.domain.regions import Receipt
from opendrape_uploader.receipt_keys import PublicKey, SigningKey

FORMAT: Final = "opendrape-receipt/1"


class NotAReceipt(ValueError):
    """The bytes are no receipt file."""


class _Signature(BaseModel):
    model_config = ConfigDict(extra="forbid")

    algorithm: Literal["Ed25519"]
    key_id: str
    public_key: Base64Bytes
    value: Base64Bytes


class _File(BaseModel):
    # Nothing unsigned may stand beside the receipt.
    model_config = ConfigDict(extra="forbid")

    receipt: dict[str, Any]
    signature: _Signature


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt file, read but not yet believed."""

    canonical: bytes
    content: dict[str, Any]
    embedded_key: PublicKey
    key_id: str
    signature: bytes

    def signed_by(self, key: PublicKey) -> bool:
        """True when the signature is this key's and over exactly this receipt."""
        return key.signed(self.canonical, self.signature)

    def receipt(self) -> Receipt:
        """The facts. :class:`NotAReceipt` when they are of a format that this version does not know."""
        try:
            receipt = Receipt.model_validate(self.content)
        except ValidationError:
            raise NotAReceipt from None
        if receipt.format != FORMAT:
            raise NotAReceipt
        return receipt


def write_signed(receipt: Receipt, key: SigningKey) -> bytes:
    """The file's bytes: indented JSON, the same for the same receipt and key."""
    content = receipt.model_dump(mode="json")
    signature = {
        "algorithm": "Ed25519",
        "key_id": key.public.key_id,
        "public_key": b64encode(key.public.raw).decode(),
        "value": b64encode(key.sign(rfc8785.dumps(content))).decode(),
    }
    return (json.dumps({"receipt": content, "signature": signature}, indent=2, allow_nan=False) + "\n").encode()


def read_signed(content: bytes) -> SignedReceipt:
    """Take a file apart. :class:`NotAReceipt` for anything that ``write_signed`` could not have written.

    Names that occur twice and numbers that canonical JSON does not have are refused: two readers could see two things.
    """
    try:
        decoded = json.loads(content, object_pairs_hook=_without_doubles, parse_constant=_refuse)
        file = _File.model_validate(decoded)
        key = PublicKey.from_raw(file.signature.public_key)
        canonical = rfc8785.dumps(file.receipt)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError):
        raise NotAReceipt from None
    return SignedReceipt(canonical, file.receipt, key, file.signature.key_id, file.signature.value)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise NotAReceipt
    return dict(pairs)


def _refuse(_constant: str) -> NoReturn:
    raise NotAReceipt
