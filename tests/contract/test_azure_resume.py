"""D-03: how much does an uploader that is killed again and again send twice? Measured at a proxy before Azurite."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import container_behind, opened
from tests.servers.process import ROOT
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy

MIB = 2**20


def _write(path: Path, mebibytes: int) -> str:
    digest, noise = hashlib.sha256(), random.Random(mebibytes)
    with path.open("wb") as sink:
        for _ in range(mebibytes):
            piece = noise.randbytes(MIB)
            digest.update(piece)
            sink.write(piece)
    return digest.hexdigest()


def _uploader(azurite: Azurite, proxy: TcpProxy, *order: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TEST_CONNECTION_STRING": azurite.connection_string(proxy.port)}
    command = [sys.executable, "-m", "tests.fakes.uploading", *order]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def _kill_after(process: subprocess.Popen[str], proxy: TcpProxy, sent: int) -> None:
    """SIGKILL once ``sent`` bytes went up in all."""
    deadline = time.monotonic() + 120
    while proxy.up_bytes < sent:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("mebibytes", "kills", "block", "parallel"),
    [(64, 4, MIB // 2, 4), pytest.param(1024, 20, 4 * MIB, 4, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
def test_a_killed_upload_goes_on_where_it_was(
    azurite: Azurite, container_name: str, tmp_path: Path, mebibytes: int, kills: int, block: int, parallel: int
) -> None:
    """D-03: kill -9 at random points; all runs together send less than 1.4 times the file; it arrives whole."""
    path = tmp_path / "film.mp4"
    sha256, size = _write(path, mebibytes), mebibytes * MIB
    chance = random.Random(kills)
    order = (container_name, "film.mp4", str(path), sha256, str(block), str(parallel))
    with tcp_proxy(azurite.port) as proxy:
        for share in sorted(chance.uniform(0.02, 0.95) for _ in range(kills)):
            process = _uploader(azurite, proxy, *order)
            # at least a little progress in each life, as a killed process had
            _kill_after(process, proxy, max(int(share * size), proxy.up_bytes + 2 * block))
            with container_behind(azurite, container_name) as container:
                assert list(container.list_blobs()) == [], "something is visible before it is whole"
        last = _uploader(azurite, proxy, *order)
        said, _ = last.communicate(timeout=900)
        print(f"{kills} kills: {proxy.up_bytes / size:.3f} times the file was sent")
        assert said.strip() == sha256
        assert proxy.up_bytes < 1.4 * size
    store = opened(azurite, container_name)
    try:
        assert store.digest("film.mp4").sha256 == sha256
    finally:
        store.close()


def test_a_writer_killed_after_its_commit_is_finished_by_the_next(
    azurite: Azurite, container_name: str, tmp_path: Path
) -> None:
    """D-02, D-03: nothing is sent again, only read back, and only then visible."""
    path = tmp_path / "film.mp4"
    sha256 = _write(path, 8)
    with tcp_proxy(azurite.port) as proxy:
        process = _uploader(azurite, proxy, container_name, "film.mp4", str(path), sha256, str(MIB), "4")
        with container_behind(azurite, container_name) as container:
            _wait_until_committed(container, process)
        sent = proxy.up_bytes
        store = opened(azurite, container_name, port=proxy.port)
        try:
            assert store.put("film.mp4", path, sha256=sha256).sha256 == sha256
            assert proxy.up_bytes - sent < MIB
            assert [entry.name for entry in store.list()] == ["film.mp4"]
        finally:
            store.close()


def _wait_until_committed(container: object, process: subprocess.Popen[str]) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if list(container.list_blobs()):  # type: ignore[attr-defined]
                break
        except ResourceNotFoundError:
            pass
        time.sleep(0.002)
    process.kill()
    process.communicate()
