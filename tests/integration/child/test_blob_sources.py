"""I-01: a video in a container is probed and read by a confined child over a socket, by ranges, and never mistaken."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opendrape.adapters.azure_blobs.account import Account
from opendrape.adapters.azure_blobs.cached_ranges import KEPT_BLOCKS, CachedRanges
from opendrape.adapters.azure_blobs.range_server import RangeServer
from opendrape.adapters.azure_blobs.sources import BlobSources, RawBlob, RawContainer
from opendrape.adapters.azure_blobs.tuning import RANGE_BYTES
from opendrape.adapters.local_sources import LocalSources
from opendrape.bootstrap import bootstrap
from opendrape.cli.configuration import load_settings
from opendrape.cli.main import run_command
from opendrape.domain.range_protocol import Request, pack_request, parse_answer
from opendrape.errors import ChildCrashed, MediaRefused, SourceChanged, StorageUnavailable
from opendrape.media.child import ChildLimits, run_child
from opendrape.media.probing import probe_in_child
from opendrape.ports.key_map import SourceRecord
from opendrape.settings import Settings
from tests.integration.media.footage import pattern, probed
from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import QUICK, container_behind, overwrite_behind
from tests.servers.tcp_proxy import tcp_proxy

MODULES = Path(__file__).parent / "modules"
LIMITS = ChildLimits(memory_bytes=1 << 30, silence_seconds=60)
NAME = "OR 3/Anna Andersen 010190 æøå #1 %20.mp4"


class Remembered:
    """The one look-up that opening needs of a key map."""

    def __init__(self, *records: SourceRecord) -> None:
        self.records = list(records)

    def sources(self, asset_id: str) -> Sequence[SourceRecord]:
        return self.records if asset_id == "ar-1" else ()


@pytest.fixture(autouse=True)
def _child_module_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(MODULES), prepend=os.pathsep)


@pytest.fixture
def content() -> bytes:
    return random.Random(7).randbytes(3 * RANGE_BYTES + 12_345)


@pytest.fixture
def upload(azurite: Azurite, container_name: str) -> Callable[[bytes], None]:
    """Put an original into the container, as another program would."""

    def put(content: bytes) -> None:
        with container_behind(azurite, container_name) as container:
            if not container.exists():
                container.create_container()
            container.upload_blob(NAME, content, overwrite=True)

    return put


@pytest.fixture
def raw(azurite: Azurite, container_name: str) -> Iterator[RawContainer]:
    opened = RawContainer(Account(azurite.connection_string()), container_name, QUICK)
    yield opened
    opened.close()


def registered(raw: RawContainer, *more: SourceRecord) -> BlobSources:
    blob = raw.look(NAME)
    record = SourceRecord(raw.path_of(NAME), blob.facts.size_bytes, raw.stamp(blob), raw.sha256(blob))
    key_map: Any = Remembered(record, *more)
    return BlobSources(key_map, raw, LocalSources(key_map))


def read(descriptor: int, do: str = "read", **order: Any) -> dict[str, Any]:
    spec = {"descriptor": descriptor, "do": do, "places": 20} | order
    return run_child("opendrape_range_child", spec, pass_descriptors=(descriptor,), limits=LIMITS)


def test_a_confined_child_reads_every_byte(raw: RawContainer, upload: Callable[[bytes], None], content: bytes) -> None:
    """I-01: from start to end and anywhere, through seccomp and Landlock; nothing is written to a disk."""
    upload(content)
    before = set(os.listdir("/proc/self/fd"))
    with registered(raw).open("ar-1") as source:
        said = read(source.descriptor)
    chance = random.Random(1)
    bits = b"".join(content[place : place + 5000] for place in [chance.randrange(len(content)) for _ in range(20)])
    assert said["size"] == source.size_bytes == len(content)
    assert said["sha256"] == hashlib.sha256(content).hexdigest()
    assert said["bits"] == hashlib.sha256(bits).hexdigest()
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 8, "at most pooled connections stay open"


def test_a_probe_of_a_blob_is_the_probe_of_the_file(
    raw: RawContainer, upload: Callable[[bytes], None], tmp_path: Path
) -> None:
    """I-01, I-05: the real prober, the real sandbox."""
    path = pattern(tmp_path / "clip.mp4", "-c:v", "libx264", "-g", "10")
    upload(path.read_bytes())
    with registered(raw).open("ar-1") as source:
        found = probe_in_child(source.descriptor, Settings())
    expected = probed(path)
    assert found.media == expected.media
    assert found.timeline.to_bytes() == expected.timeline.to_bytes()


def test_what_a_dead_child_left_is_not_taken_for_an_answer(
    raw: RawContainer, upload: Callable[[bytes], None], content: bytes
) -> None:
    """O-03: a child killed with an answer on its way; the next one on the same descriptor reads the right bytes."""
    upload(content)
    with registered(raw).open("ar-1") as source:
        for _ in range(2):
            with pytest.raises(ChildCrashed):
                read(source.descriptor, "die")
        assert read(source.descriptor)["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_blob_that_changes_while_it_is_read_ends_the_work_whatever_the_child_says(
    azurite: Azurite, container_name: str, raw: RawContainer, upload: Callable[[bytes], None], content: bytes
) -> None:
    """I-01: never a mixture of two versions, never zeros; the reason is the storage's, not "corrupt"."""
    upload(content)
    sources = registered(raw)

    def read_while_it_changes() -> None:
        with sources.open("ar-1") as source:
            overwrite_behind(azurite, container_name, NAME)
            assert read(source.descriptor, "swallow", size=len(content)) == {"swallowed": True}

    with pytest.raises(StorageUnavailable) as caught:
        read_while_it_changes()
    assert caught.value.reason == "blob_changed"
    with pytest.raises(SourceChanged) as changed, sources.open("ar-1"):
        pass
    assert changed.value.reason == "source_changed"
    assert "Anna" not in repr(changed.value) + repr(caught.value)


def test_nobody_is_named_in_a_log_or_an_error(
    raw: RawContainer, upload: Callable[[bytes], None], caplog: pytest.LogCaptureFixture
) -> None:
    """P-05: the SDK would log every address, and errors carry them; an original's name is a person's."""
    upload(b"content")
    sources = registered(raw)
    upload(b"another")
    caplog.set_level(logging.DEBUG)
    caplog.clear()  # the other program's own
    with pytest.raises(SourceChanged) as changed, sources.open("ar-1"):
        pass
    with pytest.raises(StorageUnavailable) as failed:
        raw.sha256(RawBlob(NAME, replace(raw.look(NAME).facts, etag='"0x1"')))
    assert "Anna" not in caplog.text
    assert failed.value.__context__ is None
    assert changed.value.__cause__ is changed.value.__context__ is None


def test_a_storage_that_fails_is_not_a_corrupt_video(
    azurite: Azurite, container_name: str, upload: Callable[[bytes], None], tmp_path: Path
) -> None:
    """O-03: a network that breaks during a probe is tried again later; a broken video is refused."""
    upload(pattern(tmp_path / "clip.mp4", "-c:v", "libx264").read_bytes())
    with tcp_proxy(azurite.port) as proxy:
        raw = RawContainer(Account(azurite.connection_string(proxy.port)), container_name, QUICK)

        def probe_until_the_network_breaks() -> None:
            with registered(raw).open("ar-1") as source:
                proxy.close()
                with pytest.raises(MediaRefused):
                    probe_in_child(source.descriptor, Settings())

        with pytest.raises(StorageUnavailable) as caught:
            probe_until_the_network_breaks()
        raw.close()
    assert caught.value.reason == "storage_unreachable"


def test_a_broken_video_in_a_container_is_refused_as_one(raw: RawContainer, upload: Callable[[bytes], None]) -> None:
    upload(b"no video at all" * 1000)
    with pytest.raises(MediaRefused), registered(raw).open("ar-1") as source:
        probe_in_child(source.descriptor, Settings())


def test_the_same_content_uploaded_again_is_the_same_source(
    raw: RawContainer, upload: Callable[[bytes], None], content: bytes
) -> None:
    """I-01: another version with the same bytes is read; other bytes of equal length, or none, are not."""
    upload(content)
    sources = registered(raw)
    upload(content)
    sources.verify_digest("ar-1", hashlib.sha256(content).hexdigest())
    with sources.open("ar-1") as source:
        assert source.size_bytes == len(content)
    upload(bytes(len(content)))
    with pytest.raises(SourceChanged):
        sources.verify_digest("ar-1", hashlib.sha256(content).hexdigest())


def test_a_copy_in_a_folder_is_preferred_and_a_lost_one_passed_over(
    raw: RawContainer, upload: Callable[[bytes], None], tmp_path: Path
) -> None:
    upload(b"content")
    path = tmp_path / "a.mp4"
    path.write_bytes(b"content")
    local = SourceRecord(str(path), 7, path.stat().st_mtime_ns, hashlib.sha256(b"content").hexdigest())
    sources = registered(raw, local)
    with sources.open("ar-1") as source:
        assert os.pread(source.descriptor, 100, 0) == b"content"
    path.unlink()
    with sources.open("ar-1") as source:
        assert read(source.descriptor, places=0)["size"] == 7


def test_memory_is_bounded_and_a_sequence_is_fetched_ahead() -> None:
    """O-05: a few blocks, whatever the size; each block is fetched once in a walk from start to end."""
    fetched: list[int] = []

    def fetch(offset: int, count: int) -> bytes:
        fetched.append(offset)
        return bytes([offset // RANGE_BYTES]) * count

    size = 30 * RANGE_BYTES + 5
    cached = CachedRanges(size, fetch)
    try:
        for offset in range(0, size, 1_000_000):
            assert cached.read(offset, 10)[0] == offset // RANGE_BYTES
            assert len(cached._blocks) <= KEPT_BLOCKS
        assert cached.read(size - 5, 100) == bytes([30]) * 5
        assert sorted(fetched) == [number * RANGE_BYTES for number in range(31)]
        assert cached.read(RANGE_BYTES - 1, 2) == b"\0\1"
    finally:
        cached.close()


def test_a_request_that_is_none_ends_the_service() -> None:
    """S-03: a child in other hands gets bytes of this source and nothing else."""
    server = RangeServer(10, lambda offset, count: b"0123456789"[offset : offset + count])
    try:
        with socket.socket(fileno=os.dup(server.descriptor)) as child:
            child.sendall(pack_request(Request(b"12345678", 2, 3)))
            assert parse_answer(child.recv(1000)).content == b"234"
            child.sendall(b"give me /etc/passwd")
            assert child.recv(1000) == b""
        assert isinstance(server.failure, ChildCrashed)
    finally:
        server.close()


def test_a_video_is_registered_where_it_lies(
    azurite: Azurite,
    container_name: str,
    upload: Callable[[bytes], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """I-01, P-04: the name is in the sealed map only; a second time it is known; a dry run makes nothing."""
    upload(b"a video")
    monkeypatch.setenv("OPENDRAPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("OPENDRAPE_DESTINATION", str(tmp_path / "out"))
    monkeypatch.setenv("OPENDRAPE_BLOBS__CONNECTION_STRING", azurite.connection_string())
    monkeypatch.setenv("OPENDRAPE_BLOBS__SOURCE_CONTAINER", container_name)
    assert run_command(["blobs", "register", "OR 3/", "--dry-run"]) == 0
    assert not (tmp_path / "state").exists()
    assert run_command(["blobs", "register", "OR 3/"]) == 0
    assert run_command(["blobs", "register", "OR 3/"]) == 0
    said = capsys.readouterr()
    assert "1 blobs found, 1 new" in said.out
    assert "1 blobs found, 0 new" in said.out
    assert "Anna" not in said.out + said.err
    container = bootstrap(load_settings())
    with container.resources:
        (asset,) = container.catalogue.assets()
        assert container.key_map.sources(asset.asset_id)[0].path.endswith(NAME)
        with container.sources.open(asset.asset_id) as source:
            assert source.size_bytes == 7
    assert not any(b"Anna" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
