"""How the uploader is put together from the container's parts."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from opendrape.ledger.worker import Worker
from opendrape.metrics import MeteredHandler
from opendrape.serving.process import ServicePlan
from opendrape_uploader.deliver import DeliverHandler
from opendrape_uploader.receipt_keys import open_signing_key

if TYPE_CHECKING:
    from opendrape.bootstrap import Container


def build_uploader(container: Container, *, notice: Callable[[str], None] | None = None) -> list[Worker]:
    """One worker for ``deliver`` items. Makes the receipt key on first use and says so (default: standard error)."""
    settings = container.settings
    handler = DeliverHandler(
        catalogue=container.catalogue,
        work_blobs=container.work_blobs,
        destination=container.destination_blobs,
        signing_key=open_signing_key(settings.receipt_key_path, notice=notice or _to_standard_error),
        clock=container.clock,
    )
    worker = Worker(
        catalogue=container.catalogue,
        doorbell=container.doorbell,
        clock=container.clock,
        handler=MeteredHandler(handler, container.metrics, container.clock.monotonic),
        owner=f"uploader-{os.getpid()}-{secrets.token_hex(4)}",
        lease_seconds=settings.work.lease_seconds,
        heartbeat_seconds=settings.work.heartbeat_seconds,
    )
    return [worker]


def _to_standard_error(text: str) -> None:
    sys.stderr.write(text + "\n")


PLAN = ServicePlan(
    name="uploader",
    workers=lambda container, notice: build_uploader(container, notice=notice),
    checks=lambda container: {
        "catalogue": container.catalogue.check,
        "work_storage": container.work_blobs.check,
        "destination": container.destination_blobs.check,
        "doorbell": container.doorbell.check,
    },
    takes_care=True,
)
"""Delivers, and takes care of the ledger beside ingest, so that one of them may be away."""
