"""A doorbell that remembers who rang and never lets anybody wait."""

from __future__ import annotations

from collections.abc import Collection

from opendrape.domain.work import WorkKind
from opendrape.ports.doorbell import Doorbell


class RecordingDoorbell(Doorbell):
    """``rings`` holds every ring in order; ``wait`` answers at once and takes the rings it answers for."""

    def __init__(self) -> None:
        self.rings: list[tuple[WorkKind, int]] = []
        self._unheard: list[WorkKind] = []

    def ring(self, kind: WorkKind, item_id: int) -> None:
        self.rings.append((kind, item_id))
        self._unheard.append(kind)

    def wait(self, kinds: Collection[WorkKind], timeout_seconds: float) -> bool:
        heard = [kind for kind in self._unheard if kind in kinds]
        self._unheard = [kind for kind in self._unheard if kind not in kinds]
        return bool(heard)
