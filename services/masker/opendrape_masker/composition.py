"""How the masker is put together from the container's parts."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from opendrape.ledger.worker import Worker
from opendrape.metrics import MeteredHandler
from opendrape.serving.process import ServicePlan
from opendrape_masker.handlers import MaskHandler
from opendrape_masker.health import masker_checks
from opendrape_masker.presence import Presence

if TYPE_CHECKING:
    from opendrape.bootstrap import Container


def build_masker(container: Container) -> list[Worker]:
    """One worker per slot; each has at most one media child at a time."""
    work = container.settings.work
    return [
        Worker(
            catalogue=container.catalogue,
            doorbell=container.doorbell,
            clock=container.clock,
            handler=MeteredHandler(MaskHandler(container), container.metrics, container.clock.monotonic),
            owner=f"masker-{os.getpid()}-{secrets.token_hex(4)}",
            lease_seconds=work.lease_seconds,
            heartbeat_seconds=work.heartbeat_seconds,
        )
        for _ in range(container.settings.masker.slots)
    ]


PLAN = ServicePlan(
    name="masker",
    workers=lambda container, _notice: [*build_masker(container), Presence(container)],
    checks=lambda container: {
        "catalogue": container.catalogue.check,
        "work_storage": container.work_blobs.check,
        "key_map": container.key_map.check,
        "doorbell": container.doorbell.check,
        **masker_checks(container.settings),
    },
)
"""Masks chunks and assembles videos. Models are materialised beforehand (``opendrape models sync``)."""
