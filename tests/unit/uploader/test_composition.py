"""O-01, D-06: the uploader is one worker with a signing key of its own, and knows neither media nor models."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opendrape.adapters.private_files import create_private
from opendrape.errors import ConfigurationError
from opendrape.settings import Settings
from opendrape_uploader.composition import build_uploader
from opendrape_uploader.receipt_keys import open_signing_key, public_key_path, read_public_key
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.key_maps import StillClock


def test_the_uploader_is_one_worker_and_announces_its_new_key_once(tmp_path: Path) -> None:
    """D-06: the key is made on first use, 0600, and its public half lies beside it."""
    notices: list[str] = []
    container: Any = SimpleNamespace(
        settings=Settings(state_dir=tmp_path),
        work_blobs=MemoryBlobs(),
        destination_blobs=MemoryBlobs(),
        catalogue=None,
        doorbell=None,
        clock=StillClock(),
        metrics=None,
    )
    assert len(build_uploader(container, notice=notices.append)) == 1
    build_uploader(container, notice=notices.append)
    assert len(notices) == 1
    key = container.settings.receipt_key_path
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    again = open_signing_key(key, notice=notices.append)
    assert read_public_key(public_key_path(key)).raw == again.public.raw


def test_a_signing_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "receipt.pem"
    open_signing_key(path, notice=lambda _text: None)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError) as caught:
        open_signing_key(path, notice=lambda _text: None)
    assert caught.value.reason == "key_file_permissions"


@pytest.mark.parametrize("content", ["", "rubbish", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_signing_key_that_is_none_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "receipt.pem"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        open_signing_key(path, notice=lambda _text: None)
    assert caught.value.reason == "key_file_unreadable"
    assert path.read_text() == content


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        open_signing_key(tmp_path / "file" / "receipt.pem", notice=lambda _text: None)
    assert caught.value.reason == "private_file_not_writable"


def test_the_uploader_loads_no_media_and_no_pixels() -> None:
    """O-01: bytes only; nothing with pixels or models is imported."""
    code = "import sys, opendrape_uploader.composition, opendrape_uploader.receipts; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"av", "numpy", "cv2", "onnxruntime", "opendrape.media"}


def test_a_lost_signing_key_is_not_replaced_behind_its_public_half(tmp_path: Path) -> None:
    """D-06: receipts of a new key would not verify with the .pub that people hold; a .pub of another key neither."""
    path = tmp_path / "receipt.pem"
    open_signing_key(path, notice=lambda _text: None)
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(ConfigurationError) as missing:
        open_signing_key(path, notice=lambda _text: None)
    assert missing.value.reason == "key_file_missing"
    assert not path.exists()
    create_private(path, kept)
    other = tmp_path / "other" / "receipt.pem"
    open_signing_key(other, notice=lambda _text: None)
    public_key_path(path).write_bytes(public_key_path(other).read_bytes())
    with pytest.raises(ConfigurationError) as differs:
        open_signing_key(path, notice=lambda _text: None)
    assert differs.value.reason == "public_key_differs"
