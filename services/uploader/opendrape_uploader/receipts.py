"""Whether a receipt is genuine and the output beside it is the one it speaks of: checked offline (D-06)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from opendrape.domain.regions import OutputFacts, Receipt
from opendrape_uploader.receipt_keys import PublicKey, read_public_key
from opendrape_uploader.signed_receipt import NotAReceipt, SignedReceipt, read_signed

_LARGEST_RECEIPT_BYTES: Final = 64 * 2**20
_PIECE_BYTES: Final = 4 * 2**20


class Verdict(StrEnum):
    """What came of the check."""

    VALID = "valid"
    UNREADABLE = "unreadable"
    TAMPERED = "tampered"
    WRONG_KEY = "wrong_key"
    OUTPUT_MISSING = "output_missing"
    OUTPUT_DIFFERS = "output_differs"


class KeyTrust(StrEnum):
    """Whose word it is: a key the caller brought, or the one that came with the receipt."""

    PINNED = "pinned key"
    SELF_ASSERTED = "self-asserted key"


_SENTENCES: Final = MappingProxyType(
    {
        Verdict.VALID: "The receipt is genuine.",
        Verdict.UNREADABLE: "This is not a receipt that can be read.",
        Verdict.TAMPERED: "The receipt was changed after it was signed.",
        Verdict.WRONG_KEY: "The receipt was signed with another key than the one given.",
        Verdict.OUTPUT_MISSING: "The receipt is genuine, but the output given cannot be read.",
        Verdict.OUTPUT_DIFFERS: "The receipt is genuine, but the output is not the one it speaks of.",
    }
)


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """``receipt`` is there whenever its signature holds; ``output_checked`` says whether output bytes were compared."""

    verdict: Verdict
    key_trust: KeyTrust | None = None
    key_id: str | None = None
    receipt: Receipt | None = None
    output_checked: bool = False

    @property
    def ok(self) -> bool:
        """True when nothing that was checked is wrong."""
        return self.verdict is Verdict.VALID

    @property
    def message(self) -> str:
        """The verdict in words, with what it does not cover."""
        words = [_SENTENCES[self.verdict]]
        if self.key_trust is KeyTrust.SELF_ASSERTED:
            words.append("It was checked with a self-asserted key: it proves who signed only if you know that key.")
        if self.ok and not self.output_checked:
            words.append("The output was not beside it and was not checked.")
        return " ".join(words)


def verify(receipt_path: Path, *, public_key: Path | None = None, output: Path | None = None) -> VerifyResult:
    """Check a receipt's signature and, where it lies beside it or is given, the output's length and SHA-256.

    Without ``public_key`` the key inside the receipt is used, and the result says "self-asserted key".
    ``ConfigurationError`` (``public_key_unreadable``) when the given key is none. Never raises for a bad receipt.
    """
    pinned = read_public_key(public_key) if public_key else None
    try:
        signed = read_signed(_read_receipt(receipt_path))
    except (OSError, NotAReceipt):
        return VerifyResult(Verdict.UNREADABLE)
    trust = KeyTrust.PINNED if pinned else KeyTrust.SELF_ASSERTED
    if (fault := _signature_fault(signed, pinned)) is not None:
        return VerifyResult(fault, trust, signed.key_id)
    try:
        receipt = signed.receipt()
    except NotAReceipt:
        return VerifyResult(Verdict.UNREADABLE, trust, signed.key_id)
    verdict, checked = _compare(receipt.output, receipt_path.parent, output)
    return VerifyResult(verdict, trust, signed.key_id, receipt, checked)


def _signature_fault(signed: SignedReceipt, pinned: PublicKey | None) -> Verdict | None:
    key = pinned or signed.embedded_key
    if key.raw != signed.embedded_key.raw:
        return Verdict.WRONG_KEY
    return None if signed.key_id == key.key_id and signed.signed_by(key) else Verdict.TAMPERED


def _compare(facts: OutputFacts, folder: Path, output: Path | None) -> tuple[Verdict, bool]:
    beside = folder / PurePosixPath(facts.name).name
    if output is None and not beside.is_file():
        return Verdict.VALID, False
    try:
        same = _is_output(output or beside, facts)
    except OSError:
        return Verdict.OUTPUT_MISSING, False
    return (Verdict.VALID if same else Verdict.OUTPUT_DIFFERS), True


def _is_output(path: Path, facts: OutputFacts) -> bool:
    if path.stat().st_size != facts.size_bytes:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest() == facts.sha256


def _read_receipt(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST_RECEIPT_BYTES + 1)
    if len(content) > _LARGEST_RECEIPT_BYTES:
        raise NotAReceipt
    return content
