"""What a request handler gets: the container's parts that the gateway needs, health and metrics, from ``app.state``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from opendrape.audit.office import AuditOffice
from opendrape.domain.policy import Policy, PolicyRef
from opendrape.ledger.frame_wishes import Levels
from opendrape.metrics import Metrics
from opendrape.ports.access import AccessStore
from opendrape.ports.blobs import BlobStore
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.door import DoorRecords
from opendrape.ports.doorbell import Doorbell
from opendrape.ports.frames import FrameRequests
from opendrape.ports.key_map import KeyMap
from opendrape.ports.originals import Originals
from opendrape.ports.quick_look import QuickLook
from opendrape.ports.segments import Segments
from opendrape.serving.health import HealthMonitor
from opendrape.settings import Settings
from opendrape_gateway.standing_memory import StandingMemory


class Policies(Levels, Protocol):
    """Where a policy's name leads; ``PolicyInvalid`` for one that is not here."""

    def by_reference(self, ref: PolicyRef) -> Policy: ...


class GatewayContainer(Protocol):
    """The parts of ``opendrape.bootstrap.Container`` that the gateway uses."""

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def frames(self) -> FrameRequests: ...

    @property
    def segments(self) -> Segments: ...

    @property
    def access(self) -> AccessStore: ...

    @property
    def audit(self) -> AuditOffice: ...

    @property
    def key_map(self) -> KeyMap: ...

    @property
    def originals(self) -> Originals: ...

    @property
    def doorbell(self) -> Doorbell: ...

    @property
    def work_blobs(self) -> BlobStore: ...

    @property
    def destination_blobs(self) -> BlobStore: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def policies(self) -> Policies: ...

    @property
    def door(self) -> DoorRecords: ...

    @property
    def quick_look(self) -> QuickLook: ...


@dataclass(frozen=True)
class Desk:
    """Everything a handler may reach for."""

    container: GatewayContainer
    health: HealthMonitor
    standings: StandingMemory

    @property
    def catalogue(self) -> Catalogue:
        """The truth about assets and work."""
        return self.container.catalogue

    @property
    def frames(self) -> FrameRequests:
        """Requests for frames."""
        return self.container.frames

    @property
    def segments(self) -> Segments:
        """Marked parts of videos."""
        return self.container.segments

    @property
    def metrics(self) -> Metrics:
        """The process's figures."""
        return self.container.metrics


def desk_of(request: Request) -> Desk:
    """The desk that ``create_app`` put on the app."""
    desk: Desk = request.app.state.desk
    return desk


async def _at_desk(request: Request) -> Desk:
    return desk_of(request)  # a coroutine: FastAPI gives everything else a thread of its own


AtDesk = Annotated[Desk, Depends(_at_desk)]
