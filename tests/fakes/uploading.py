"""Which process is killed while it uploads? ``python -m tests.fakes.uploading CONTAINER NAME FILE SHA256 BLOCK N``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from opendrape.adapters.azure_blobs import AzureBlobStore, Tuning
from opendrape.adapters.azure_blobs.account import Account


def main(container: str, name: str, file: str, sha256: str, block: str, parallel: str) -> None:
    """Put one file; the connection string comes by the environment."""
    tuning = Tuning(block_bytes=int(block), parallel=int(parallel), first_delay_seconds=0.05)
    store = AzureBlobStore(Account(os.environ["TEST_CONNECTION_STRING"]), container, tuning=tuning)
    try:
        print(store.put(name, Path(file), sha256=sha256).sha256)
    finally:
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
