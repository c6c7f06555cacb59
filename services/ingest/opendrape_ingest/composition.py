"""Which workers does the ingest service run in this process?"""

from __future__ import annotations

import os
import secrets

from opendrape.bootstrap import Container
from opendrape.ledger.worker import Worker
from opendrape.metrics import MeteredHandler
from opendrape.serving.process import ServicePlan
from opendrape_ingest.plan import PlanHandler
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.registrations import RegistrationIntake
from opendrape_ingest.uploads import UploadIntake


def build_ingest(container: Container) -> list[Worker]:
    """One worker for ``plan`` items; scanning is an act (``opendrape_ingest.scan``), not a worker."""
    settings = container.settings
    handler = PlanHandler(
        settings=settings,
        sources=container.sources,
        work_blobs=container.work_blobs,
        policies=container.policies,
    )
    worker = Worker(
        catalogue=container.catalogue,
        doorbell=container.doorbell,
        clock=container.clock,
        handler=MeteredHandler(handler, container.metrics, container.clock.monotonic),
        owner=f"ingest-{os.getpid()}-{secrets.token_hex(4)}",
        lease_seconds=settings.work.lease_seconds,
        heartbeat_seconds=settings.work.heartbeat_seconds,
    )
    return [worker]


def build_upload_intake(container: Container) -> UploadIntake:
    """What takes complete uploads up. ``ConfigurationError`` when the record number pattern cannot be used."""
    return UploadIntake(
        uploads=container.door.uploads,
        catalogue=container.catalogue,
        key_map=container.key_map,
        policies=container.policies,
        clock=container.clock,
        settings=container.settings,
        record_number=RecordNumberRule(container.settings.pseudonym.record_number_pattern),
    )


def build_registration_intake(container: Container) -> RegistrationIntake:
    """What takes up videos that lie in the storage of originals. ``ConfigurationError`` as above."""
    return RegistrationIntake(
        uploads=container.door.uploads,
        catalogue=container.catalogue,
        key_map=container.key_map,
        originals=container.originals,
        policies=container.policies,
        record_number=RecordNumberRule(container.settings.pseudonym.record_number_pattern),
        clock=container.clock,
    )


PLAN = ServicePlan(
    name="ingest",
    workers=lambda container, _notice: [
        *build_ingest(container),
        build_upload_intake(container),
        build_registration_intake(container),
    ],
    checks=lambda container: {
        "catalogue": container.catalogue.check,
        "work_storage": container.work_blobs.check,
        "key_map": container.key_map.check,
        "doorbell": container.doorbell.check,
    },
    takes_care=True,
)
"""Plans chunks, and takes care of the ledger."""
