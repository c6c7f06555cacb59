"""How fast does a large file get to Azurite, verified, beside rclone with its own check and the SDK's plain upload?"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median

from azure.storage.blob import AccountSasPermissions, BlobClient, ContainerClient, ResourceTypes, generate_account_sas

from benchmarks.machine import ROOT, machine
from opendrape.adapters.azure_blobs.account import Account
from opendrape.adapters.azure_blobs.container import Container
from opendrape.adapters.azure_blobs.putting import Source, settle, write
from opendrape.adapters.azure_blobs.session import ContainerSession
from opendrape.adapters.azure_blobs.tuning import Tuning
from tests.servers.azurite import ACCOUNT, Azurite, running_azurite
from tests.servers.azurite import version as azurite_version

_OUT = ROOT / "docs" / "benchmarks" / "upload.md"
_MIB = 2**20
_BLOCK, _PARALLEL = 4 * _MIB, 8
_NAME = "film.mp4"


@dataclass(frozen=True)
class Bench:
    """One file, one server."""

    azurite: Azurite
    path: Path
    sha256: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


def ours(bench: Bench, container: str) -> dict[str, float]:
    """Upload (staged and committed, MD5 per block, SHA-256 of the whole) and read-back (SHA-256 and MD5), apart."""
    tuning = Tuning(block_bytes=_BLOCK, parallel=_PARALLEL)
    session = ContainerSession(
        Account(bench.azurite.connection_string()), container, prefix="", create=True, tuning=tuning
    )
    seconds = {}
    try:
        session.do(lambda there: there.look(_NAME))
        with bench.path.open("rb") as stream:
            source = Source(stream, bench.size, bench.sha256)
            seconds["this uploader, upload alone"] = _timed(
                lambda: session.do(lambda there: write(there, _NAME, source))
            )
        seconds["read-back, compare, mark"] = _timed(lambda: session.do(lambda there: _read_back(there, bench.sha256)))
    finally:
        session.close()
    return seconds | {"this uploader, verified": sum(seconds.values())}


async def _read_back(container: Container, sha256: str) -> None:
    facts = await container.look(_NAME)
    assert facts is not None
    assert await settle(container, _NAME, facts, sha256) is not None


def sdk_plain(bench: Bench, container: str) -> dict[str, float]:
    """``upload_blob`` with as many blocks at a time; no checksum, nothing is read back."""
    return {"SDK upload_blob, no check": _sdk(bench, container)}


def sdk_md5(bench: Bench, container: str) -> dict[str, float]:
    """The same with an MD5 of every block."""
    return {"SDK upload_blob, MD5 per block": _sdk(bench, container, validate_content="md5")}


def _sdk(bench: Bench, container: str, **check: object) -> float:
    text = bench.azurite.connection_string()
    with (
        BlobClient.from_connection_string(
            text, container, _NAME, max_block_size=_BLOCK, max_single_put_size=_BLOCK
        ) as blob,
        bench.path.open("rb") as stream,
    ):
        return _timed(lambda: blob.upload_blob(stream, max_concurrency=_PARALLEL, length=bench.size, **check))


def rclone(bench: Bench, container: str) -> dict[str, float]:
    """``rclone copyto``: MD5 of the source first, MD5 of every block, sizes and MD5 labels compared after."""
    environment = {
        **os.environ,
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_AZUREBLOB_SAS_URL": f"{bench.azurite.url()}?{_sas(bench.azurite)}",
        "RCLONE_AZUREBLOB_CHUNK_SIZE": f"{_BLOCK // _MIB}M",
        "RCLONE_AZUREBLOB_UPLOAD_CONCURRENCY": str(_PARALLEL),
    }
    command = ["rclone", "copyto", "--retries", "1", str(bench.path), f":azureblob:{container}/{_NAME}"]

    def copy() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    return {"rclone, its own check": _timed(copy)}


def _sas(azurite: Azurite) -> str:
    return generate_account_sas(
        ACCOUNT,
        azurite.key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True),
        expiry=datetime.now(UTC) + timedelta(hours=6),
    )


CONTESTANTS = (ours, sdk_plain, sdk_md5, rclone)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(bench: Bench, rounds: int) -> dict[str, list[float]]:
    """Every contestant in every round, each into a container of its own, in another order each time."""
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        order = random.Random(number).sample(CONTESTANTS, len(CONTESTANTS))
        for contestant in order:
            name = f"round-{number}-{contestant.__name__.replace('_', '-')}"
            with ContainerClient.from_connection_string(bench.azurite.connection_string(), name) as container:
                container.create_container()
                for what, took in contestant(bench, name).items():
                    seconds.setdefault(what, []).append(took)
                _check(container, bench)
                container.delete_container()
            print(json.dumps({"round": number, contestant.__name__: round(median(seconds[what]), 2)}), flush=True)
    return seconds


def _check(container: ContainerClient, bench: Bench) -> None:
    """What everybody uploaded is the file; this is not timed."""
    digest = hashlib.sha256()
    for piece in container.download_blob(_NAME).chunks():
        digest.update(piece)
    assert digest.hexdigest() == bench.sha256


def page(seconds: dict[str, list[float]], mebibytes: int, rounds: int) -> str:
    """The table."""
    about = machine()
    uploads = {name: median(took) for name, took in seconds.items() if name.startswith(("SDK", "rclone"))}
    fastest = min(uploads.values())
    rows = [
        f"| {name} | {median(took):.2f} | {min(took):.2f} to {max(took):.2f} | {mebibytes / median(took):.0f} "
        f"| {fastest / median(took):.2f} |"
        for name, took in seconds.items()
    ]
    rclone_version = subprocess.run(["rclone", "version"], capture_output=True, text=True).stdout.split("\n")[0]
    return "\n".join(
        [
            f"# Uploading {mebibytes} MiB",
            "",
            "Written by `python -m benchmarks.upload`; do not edit. Wall seconds, medians of interleaved rounds",
            "against one Azurite on the same machine: its own work is in every row, so the rows say who adds least",
            "to it, not how fast a network is. The last column: the fastest uploader without a read-back divided by",
            "the row, so 1.0 is as fast and more is faster.",
            "",
            f"Machine: processor {about['processor']}, cores {about['cores']}, memory {about['memory']}, "
            f"python {platform.python_version()}; load average at the end {os.getloadavg()[0]:.1f}.",
            f"Azurite {azurite_version()}, azure-storage-blob {version('azure-storage-blob')}, {rclone_version}. "
            f"Blocks of {_BLOCK // _MIB} MiB, {_PARALLEL} at a time, {rounds} rounds.",
            "",
            "| who | seconds | range | MiB/s | fastest / this |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "Read-back reads every byte from the server again and is what makes a blob visible; nobody else does it.",
            "",
        ]
    )


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dry", action="store_true", help="print the page instead of writing it")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, digest, noise = Path(folder, _NAME), hashlib.sha256(), random.Random(1)
        with path.open("wb") as sink:
            for _ in range(wish.mebibytes):
                piece = noise.randbytes(_MIB)
                digest.update(piece)
                sink.write(piece)
        server = Path(folder, "azurite")
        server.mkdir()
        with running_azurite(server) as azurite:
            text = page(measure(Bench(azurite, path, digest.hexdigest()), wish.rounds), wish.mebibytes, wish.rounds)
    if wish.dry:
        print(text)
    else:
        _OUT.write_text(text)


if __name__ == "__main__":
    main()
