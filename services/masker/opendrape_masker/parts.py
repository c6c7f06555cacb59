"""What does the masker take from the container?"""

from __future__ import annotations

from typing import Protocol

from opendrape.domain.policy import Policy, PolicyRef
from opendrape.ports.blobs import BlobStore
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.frames import FrameRequests
from opendrape.ports.sources import SourceStore
from opendrape.settings import Settings


class Policies(Protocol):
    """Resolves the policy a work item refers to."""

    def by_reference(self, ref: PolicyRef) -> Policy: ...


class MaskerParts(Protocol):
    """The parts that mask, assemble and pack frames."""

    @property
    def settings(self) -> Settings: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def frames(self) -> FrameRequests: ...
    @property
    def work_blobs(self) -> BlobStore: ...
    @property
    def sources(self) -> SourceStore: ...
    @property
    def policies(self) -> Policies: ...
