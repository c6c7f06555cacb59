"""D-01 to D-04: a container as blob store keeps the port's promises, on a real Azurite and a bad network."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient

from opendrape.adapters.azure_blobs import AzureBlobStore
from opendrape.adapters.azure_blobs.account import Account
from opendrape.errors import BlobConflict, ConfigurationError, NotFound, StorageUnavailable
from opendrape.ports.blobs import BlobStore
from tests.contract.blob_store_contract import CONTENT, BlobStoreContract
from tests.servers.azurite import ACCOUNT, Azurite, running_azurite
from tests.servers.blob_accounts import QUICK, RottenContainer, container_behind, opened, overwrite_behind
from tests.servers.tcp_proxy import TcpProxy, tcp_proxy

Open = Callable[..., AzureBlobStore]


class TestAzureBlobs(BlobStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, azurite: Azurite, container_name: str) -> Iterator[None]:
        self._azurite, self._name = azurite, container_name
        self._opened: list[AzureBlobStore] = []
        yield
        for store in self._opened:
            store.close()

    def make(self, folder: Path) -> BlobStore:
        store = opened(self._azurite, self._name, prefix="videos", scratch=folder)
        self._opened.append(store)
        return store

    def make_rotten(self, folder: Path) -> BlobStore:
        store = RottenContainer(self._azurite, self._name)
        self._opened.append(store)
        return store


@pytest.fixture
def open_store(azurite: Azurite, container_name: str) -> Iterator[Open]:
    """Stores on the test's container, closed afterwards."""
    stores: list[AzureBlobStore] = []

    def make(**options: Any) -> AzureBlobStore:
        stores.append(opened(azurite, container_name, **options))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[TcpProxy]:
    with tcp_proxy(azurite.port) as between:
        yield between


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.mp4"
    path.write_bytes(CONTENT * 4)
    return path


SHA = hashlib.sha256(CONTENT * 4).hexdigest()


def test_a_stored_blob_carries_its_digests_and_type(
    azurite: Azurite, container_name: str, open_store: Open, source: Path
) -> None:
    """D-02: SHA-256 and MD5 of the bytes read back are recorded; D-01: a block blob below the prefix."""
    stored = open_store(prefix="a/b").put("c.mp4", source, sha256=SHA)
    with container_behind(azurite, container_name) as container:
        found = container.get_blob_client("a/b/c.mp4").get_blob_properties()
        committed, left = container.get_blob_client("a/b/c.mp4").get_block_list("all")
    assert found.metadata == {"opendrape": "verified", "sha256": stored.sha256, "md5": stored.md5}
    assert bytes(found.content_settings.content_md5).hex() == stored.md5
    assert found.content_settings.content_type == "video/mp4"
    assert found.blob_type == "BlockBlob"
    assert len(committed) == -(-len(CONTENT) * 4 // QUICK.block_bytes)
    assert left == []


def test_a_bit_flipped_at_rest_is_found(
    azurite: Azurite, container_name: str, open_store: Open, source: Path, tmp_path: Path
) -> None:
    """D-02: a byte of equal length changed behind our back, the labels left as they were, is found by every reader."""
    store = open_store(scratch=tmp_path / "scratch")
    store.put("c.mp4", source, sha256=SHA)
    overwrite_behind(azurite, container_name, "c.mp4", place=70_000)
    assert store.digest("c.mp4").sha256 != SHA
    with pytest.raises(StorageUnavailable) as caught, store.local_path("c.mp4"):
        pass
    assert caught.value.reason == "read_back_differs"
    with pytest.raises(BlobConflict) as conflict:
        store.put("c.mp4", source, sha256=SHA)
    assert conflict.value.reason == "blob_damaged"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_an_open_blob_that_is_replaced_is_not_mixed(
    azurite: Azurite, container_name: str, open_store: Open, source: Path
) -> None:
    """D-02: a reader gets bytes of one version only."""
    store = open_store()
    store.put("c.mp4", source, sha256=SHA)
    with store.open("c.mp4") as blob:
        assert blob.read(10) == CONTENT[:10]
        overwrite_behind(azurite, container_name, "c.mp4")
        blob.seek(3_000_000)
        with pytest.raises(StorageUnavailable) as caught:
            blob.read(10)
    assert caught.value.reason == "blob_changed"


@pytest.mark.parametrize("place", [100_000, 700_000, 2_000_000])
def test_a_bit_flipped_on_the_way_up_is_refused_by_the_server_and_sent_again(
    open_store: Open, proxy: TcpProxy, source: Path, place: int
) -> None:
    """D-02: a checksum per block in transit."""
    store = open_store(port=proxy.port)
    proxy.flip_after(place)
    assert store.put("c.mp4", source, sha256=SHA).sha256 == SHA
    assert proxy.flips == 1


@pytest.mark.parametrize("place", [50_000, 2_000_000])
def test_a_bit_flipped_while_reading_back_is_not_taken_for_damage(
    open_store: Open, proxy: TcpProxy, source: Path, place: int
) -> None:
    """D-02: the second look asks for a checksum of every range."""
    store = open_store()
    store.put("c.mp4", source, sha256=SHA)
    through = open_store(port=proxy.port)
    assert through.exists("c.mp4")
    proxy.flip_after(place, down=True)
    assert through.put("c.mp4", source, sha256=SHA).sha256 == SHA
    proxy.flip_after(place, down=True)
    with through.local_path("c.mp4") as path:
        assert path.read_bytes() == CONTENT * 4
    assert proxy.flips == 2


@pytest.mark.parametrize("after", [0, 1, 300_000, 1_500_000, 4_000_000])
def test_a_cut_connection_is_taken_up_again(open_store: Open, proxy: TcpProxy, source: Path, after: int) -> None:
    """D-03, D-04: only what was on the way is sent again."""
    store = open_store(port=proxy.port)
    assert not store.exists("c.mp4")
    before = proxy.up_bytes
    proxy.cut_after(after)
    assert store.put("c.mp4", source, sha256=SHA).sha256 == SHA
    assert proxy.cuts >= 1
    assert proxy.up_bytes - before < len(CONTENT) * 4 + (QUICK.parallel + 1) * QUICK.block_bytes + 200_000


def test_a_network_that_stands_still_ends_in_time(open_store: Open, proxy: TcpProxy, source: Path) -> None:
    """O-03: times are bounded; what was sent before is there for the next attempt."""
    hasty = replace(QUICK, request_seconds=0.5, attempts=2)
    store = open_store(port=proxy.port, tuning=hasty)
    assert not store.exists("c.mp4")
    proxy.stall()
    with pytest.raises(StorageUnavailable) as caught:
        store.put("c.mp4", source, sha256=SHA)
    assert caught.value.reason in {"timed_out", "storage_unreachable"}
    proxy.flow()
    assert open_store().put("c.mp4", source, sha256=SHA).sha256 == SHA


def test_a_server_that_restarts_is_waited_for(tmp_path: Path, container_name: str, source: Path) -> None:
    """D-04, O-03: a killed server comes back with what it had; a hanging one is a time-out."""
    with running_azurite(tmp_path, keep_alive_seconds=1) as server:
        patient = replace(QUICK, attempts=60, first_delay_seconds=0.2, longest_delay_seconds=0.5)
        store = opened(server, container_name, tuning=patient)
        store.put("a.mp4", source, sha256=SHA)
        server.stop()
        comeback = threading.Timer(0.5, server.start)
        comeback.start()
        try:
            assert store.put("b.mp4", source, sha256=SHA).sha256 == SHA
            assert [entry.name for entry in store.list()] == ["a.mp4", "b.mp4"]
            assert store.digest("a.mp4").sha256 == SHA
        finally:
            comeback.join()
            store.close()


def test_a_blob_of_a_writer_that_died_before_reading_back_is_not_visible_until_somebody_did(
    azurite: Azurite, container_name: str, open_store: Open, source: Path
) -> None:
    """D-02: committed is not visible; the next put reads back and goes on. Rot in it is removed, not delivered."""
    store = open_store()
    store.check()
    with container_behind(azurite, container_name) as container:
        unread = {"opendrape": "written", "sha256": SHA}
        container.upload_blob("good.mp4", CONTENT * 4, metadata=unread)
        container.upload_blob("rotten.mp4", b"\1" + (CONTENT * 4)[1:], metadata=unread)
        container.upload_blob("other.mp4", b"of somebody else")
        assert list(store.list()) == []
        for name in ("good.mp4", "rotten.mp4", "other.mp4"):
            assert not store.exists(name)
            for call in (store.open, store.digest):
                with pytest.raises(NotFound):
                    call(name)
        assert store.put("good.mp4", source, sha256=SHA).sha256 == SHA
        with pytest.raises(StorageUnavailable) as caught:
            store.put("rotten.mp4", source, sha256=SHA)
        assert caught.value.reason == "read_back_differs"
        assert store.put("rotten.mp4", source, sha256=SHA).sha256 == SHA
        with pytest.raises(BlobConflict):
            store.put("other.mp4", source, sha256=SHA)
        assert container.download_blob("other.mp4").readall() == b"of somebody else"
    assert [entry.name for entry in store.list()] == ["good.mp4", "rotten.mp4"]


@pytest.mark.parametrize("different", [False, True])
def test_of_many_writers_of_one_name_one_content_wins(open_store: Open, tmp_path: Path, different: bool) -> None:
    """D-03: write once, also when several write at the same time; never a mixture."""
    contents = [CONTENT * 2 + (bytes([n]) if different else b"") for n in range(3)]
    said: list[str] = []

    def write(store: AzureBlobStore, content: bytes) -> None:
        try:
            said.append(store.put_bytes("a/b", content).sha256)
        except BlobConflict:
            said.append("conflict")

    writers = [threading.Thread(target=write, args=(open_store(), content)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    winner = open_store().digest("a/b").sha256
    assert winner in {hashlib.sha256(content).hexdigest() for content in contents}
    assert sorted(said) == sorted([winner] + ["conflict" if different else winner] * 2)


def test_a_refusal_is_not_asked_again(azurite: Azurite, container_name: str, proxy: TcpProxy) -> None:
    """D-04: no blind retry on 403; the error names no account and no key."""
    wrong = azurite.connection_string(proxy.port).replace(azurite.key, "d3Jvbmc=")
    store = AzureBlobStore(Account(wrong), container_name, tuning=QUICK)
    try:
        with pytest.raises(StorageUnavailable) as caught:
            store.check()
        assert caught.value.reason == "storage_denied"
        assert store.requests == 1
        assert ACCOUNT not in str(caught.value)
        assert caught.value.__cause__ is None
    finally:
        store.close()


def test_a_sas_that_may_not_make_containers_is_enough(azurite: Azurite, container_name: str, open_store: Open) -> None:
    """D-01: SAS; nothing but reading, writing, listing and deleting blobs is needed where the container exists."""
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import generate_container_sas

    open_store().check()
    token = generate_container_sas(
        ACCOUNT,
        container_name,
        account_key=azurite.key,
        permission="racwdl",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    store = AzureBlobStore(Account(url=azurite.url(), sas_token=token), container_name, tuning=QUICK)
    try:
        store.check()
        store.put_bytes("a", b"1")
        assert [entry.name for entry in store.list()] == ["a"]
        store.delete("a")
    finally:
        store.close()


def test_a_container_that_vanishes_is_told_and_not_made_anew(
    azurite: Azurite, container_name: str, open_store: Open
) -> None:
    """O-03: a lost container is a failure to retry, never an empty store."""
    store = open_store()
    store.put_bytes("a", b"1")
    with container_behind(azurite, container_name) as container:
        container.delete_container()
    for call in (store.check, lambda: store.put_bytes("a", b"1"), lambda: list(store.list())):
        with pytest.raises(StorageUnavailable) as caught:
            call()
        assert caught.value.reason == "container_missing"
    with pytest.raises(StorageUnavailable):
        open_store(create=False).check()


@pytest.mark.parametrize(
    "name", ["", "ab", "Upper", "double--hyphen", "-a-b", "a-b-", "under_score", "x" * 64, "$root"]
)
def test_a_container_name_that_the_service_would_refuse_is_refused_before(name: str) -> None:
    """D-01: named validly."""
    with pytest.raises(ConfigurationError) as caught:
        AzureBlobStore(Account("x"), name)
    assert caught.value.reason == "container_name"


def test_blobs_travel_encrypted_or_on_loopback() -> None:
    """S-01: an address without TLS is refused before anything is sent."""
    store = AzureBlobStore(Account(url="http://account.example", sas_token="sv=1"), "videos")
    with pytest.raises(ConfigurationError):
        store.check()
    store.close()


def test_another_program_can_check_the_content_md5(
    azurite: Azurite, container_name: str, open_store: Open, source: Path
) -> None:
    open_store().put("c.mp4", source, sha256=SHA)
    with BlobClient.from_connection_string(azurite.connection_string(), container_name, "c.mp4") as blob:
        label = blob.get_blob_properties().content_settings.content_md5
        assert hashlib.md5(blob.download_blob().readall(), usedforsecurity=False).digest() == bytes(label)
