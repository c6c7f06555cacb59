"""D-06: a receipt is verified offline; changed, swapped, foreign and rubbish ones are told apart."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.errors import ConfigurationError
from opendrape_uploader.receipt_keys import SigningKey, open_signing_key, public_key_path
from opendrape_uploader.receipts import KeyTrust, Verdict, verify
from tests.fakes.delivery import MASKED, OUTPUT, RECEIPT, Delivery


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "receipt.pem"


@pytest.fixture
def receipt(tmp_path: Path, key_file: Path) -> Path:
    key = open_signing_key(key_file, notice=lambda _text: None)
    Delivery(destination=LocalBlobStore(tmp_path / "out"), signing_key=key).deliver()
    return tmp_path / "out" / RECEIPT


@pytest.fixture
def output(tmp_path: Path, receipt: Path) -> Path:
    return tmp_path / "out" / OUTPUT


def test_a_genuine_receipt_beside_its_output_is_valid(receipt: Path, key_file: Path) -> None:
    """D-06: signature and output bytes, under the key that the reader brought."""
    result = verify(receipt, public_key=public_key_path(key_file))
    assert result.ok
    assert (result.verdict, result.key_trust, result.output_checked) == (Verdict.VALID, KeyTrust.PINNED, True)
    assert result.receipt is not None
    assert result.receipt.output.size_bytes == len(MASKED)
    assert result.message == "The receipt is genuine."


def test_without_a_key_the_result_says_so(receipt: Path) -> None:
    """D-06: the embedded key is trusted only with an explicit statement."""
    result = verify(receipt)
    assert result.ok
    assert result.key_trust == "self-asserted key"
    assert "self-asserted key" in result.message


def test_anybody_can_verify_with_the_standards_alone(receipt: Path) -> None:
    """D-06: Ed25519 over RFC 8785 JSON, without a line of OpenDrape."""
    file = json.loads(receipt.read_text())
    raw = base64.b64decode(file["signature"]["public_key"])
    assert file["signature"]["key_id"] == hashlib.sha256(raw).hexdigest()[:16]
    assert file["signature"]["algorithm"] == "Ed25519"
    value = base64.b64decode(file["signature"]["value"])
    Ed25519PublicKey.from_public_bytes(raw).verify(value, rfc8785.dumps(file["receipt"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["receipt"].update(asset="ar-other"),
        lambda file: file["receipt"].update(reviewer="somebody"),
        lambda file: file["receipt"]["output"].update(sha256="0" * 64),
        lambda file: file["receipt"]["report"].update(masked_frames=121),
        lambda file: file["receipt"]["deidentification_codes"].pop(),
        lambda file: file["receipt"].update(added="something"),
        lambda file: file["receipt"].pop("scrub"),
        lambda file: file["signature"].update(key_id="0" * 16),
        lambda file: file["signature"].update(value=base64.b64encode(b"0" * 64).decode()),
        lambda file: file["signature"].update(value=""),
    ],
)
def test_any_change_is_found(receipt: Path, key_file: Path, change: Callable[[Any], object]) -> None:
    """D-06: tampered."""
    file = json.loads(receipt.read_text())
    change(file)
    receipt.write_text(json.dumps(file))
    for key in (None, public_key_path(key_file)):
        result = verify(receipt, public_key=key)
        assert result.verdict is Verdict.TAMPERED
        assert result.receipt is None


def test_a_reformatted_receipt_is_still_valid(receipt: Path) -> None:
    """D-06: the signature is over canonical JSON, not over blanks."""
    file = json.loads(receipt.read_text())
    receipt.write_text(json.dumps(dict(reversed(file.items())), separators=(",", ":")))
    assert verify(receipt).ok


def test_a_receipt_signed_by_somebody_else_is_not_ours(receipt: Path, key_file: Path, tmp_path: Path) -> None:
    """D-06: a forger's receipt is consistent in itself, but not under the reader's key."""
    forger = SigningKey(Ed25519PrivateKey.generate())
    Delivery(destination=LocalBlobStore(tmp_path / "forged"), signing_key=forger).deliver()
    result = verify(tmp_path / "forged" / RECEIPT, public_key=public_key_path(key_file))
    assert result.verdict is Verdict.WRONG_KEY
    assert verify(tmp_path / "forged" / RECEIPT).ok
    original = json.loads(receipt.read_text())
    original["signature"]["public_key"] = base64.b64encode(forger.public.raw).decode()
    receipt.write_text(json.dumps(original))
    assert verify(receipt, public_key=public_key_path(key_file)).verdict is Verdict.WRONG_KEY
    assert verify(receipt).verdict is Verdict.TAMPERED


@pytest.mark.parametrize("content", [MASKED[:-1] + b"?", MASKED + b"?", b""])
def test_a_swapped_output_is_found(receipt: Path, output: Path, content: bytes) -> None:
    """D-02, D-06: also when its length is right."""
    output.write_bytes(content)
    result = verify(receipt)
    assert (result.verdict, result.output_checked) == (Verdict.OUTPUT_DIFFERS, True)
    assert result.receipt is not None


def test_an_absent_output_is_not_called_checked(receipt: Path, output: Path, tmp_path: Path) -> None:
    """D-06: a receipt alone proves itself, and the answer says what it does not prove."""
    moved = output.rename(tmp_path / "moved.mp4")
    alone = verify(receipt)
    assert alone.ok
    assert not alone.output_checked
    assert "not checked" in alone.message
    assert verify(receipt, output=moved).output_checked
    assert verify(receipt, output=tmp_path / "nothing").verdict is Verdict.OUTPUT_MISSING


def test_every_rubbish_is_unreadable_and_never_an_exception(receipt: Path) -> None:
    good = receipt.read_text()
    file = json.loads(good)
    beside = json.dumps({**file, "note": "unsigned"})
    short_key = json.dumps({**file, "signature": {**file["signature"], "public_key": "AAAA"}})
    other_algorithm = json.dumps({**file, "signature": {**file["signature"], "algorithm": "none"}})
    doubled = good.replace('"asset":', '"asset": "ar-other", "asset":', 1)
    huge = good.replace('"frames": 500', '"frames": 1' + "0" * 30)
    for rubbish in ("", "[]", "null", "{", '"x"', "[" * 100_000, '{"receipt": NaN}', beside, short_key, doubled, huge):
        receipt.write_text(rubbish)
        assert verify(receipt).verdict is Verdict.UNREADABLE, rubbish[:40]
    for rubbish in (other_algorithm, good.replace("500", "Infinity", 1), good.replace("500", "1e999", 1)):
        receipt.write_text(rubbish)
        assert verify(receipt).verdict is Verdict.UNREADABLE, rubbish[:40]
    receipt.write_bytes(b"\xff\xfe\x00rubbish")
    assert verify(receipt).verdict is Verdict.UNREADABLE
    receipt.unlink()
    assert verify(receipt).verdict is Verdict.UNREADABLE
    receipt.mkdir()
    assert verify(receipt).verdict is Verdict.UNREADABLE


def test_a_giant_receipt_is_not_read_to_its_end(receipt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opendrape_uploader.receipts._LARGEST_RECEIPT_BYTES", 100)
    assert verify(receipt).verdict is Verdict.UNREADABLE


def test_a_signed_receipt_of_a_later_format_is_not_interpreted(receipt: Path, key_file: Path) -> None:
    key = open_signing_key(key_file, notice=lambda _text: None)
    file = json.loads(receipt.read_text())
    for change in ({"format": "opendrape-receipt/9"}, {"later": 1}):
        content = {**file["receipt"], **change}
        signature = {**file["signature"], "value": base64.b64encode(key.sign(rfc8785.dumps(content))).decode()}
        receipt.write_text(json.dumps({"receipt": content, "signature": signature}))
        assert verify(receipt).verdict is Verdict.UNREADABLE


def test_a_name_in_a_receipt_leads_nowhere_else(tmp_path: Path, receipt: Path) -> None:
    """P-05: only the folder of the receipt is looked into, whatever name it carries."""
    (tmp_path / "secret").write_bytes(b"")
    file = json.loads(receipt.read_text())
    forger = SigningKey(Ed25519PrivateKey.generate())
    file["receipt"]["output"]["name"] = "../../secret"
    signature = {
        "algorithm": "Ed25519",
        "key_id": forger.public.key_id,
        "public_key": base64.b64encode(forger.public.raw).decode(),
        "value": base64.b64encode(forger.sign(rfc8785.dumps(file["receipt"]))).decode(),
    }
    receipt.write_text(json.dumps({"receipt": file["receipt"], "signature": signature}))
    assert not verify(receipt).output_checked


@pytest.mark.parametrize("content", [b"rubbish", b""])
def test_a_key_that_is_none_is_a_configuration_error(receipt: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.pub"
    path.write_bytes(content)
    for key in (path, tmp_path / "nothing"):
        with pytest.raises(ConfigurationError) as caught:
            verify(receipt, public_key=key)
        assert caught.value.reason == "public_key_unreadable"
