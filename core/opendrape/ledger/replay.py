"""How does a ring that was kept aside get its item going again: by the ledger's rules for a retry, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opendrape.domain.states import AssetState, WorkState
from opendrape.domain.work import WorkItem
from opendrape.errors import IllegalTransition, NotFound
from opendrape.ledger.redelivery import Redelivery
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.dead_letters import DeadLetter, DeadLetters
from opendrape.ports.doorbell import Doorbell

_AT_REST = frozenset({AssetState.FAILED, AssetState.QUARANTINED})


class Replayed(StrEnum):
    """What came of one letter."""

    RETRIED = "retried"  # its asset starts again
    RUNG = "rung"  # its item waits: it was rung for
    OBSOLETE = "obsolete"  # its item is done, cancelled, at work, or its asset went on without it
    KEPT = "kept"  # it names no item of this ledger


@dataclass(frozen=True)
class Replay:
    """Works off dead letters. Idempotent: a letter seen twice does nothing the second time."""

    catalogue: Catalogue
    redelivery: Redelivery
    doorbell: Doorbell
    dead_letters: DeadLetters

    def replay(
        self, *, actor: str, wanted: Callable[[DeadLetter], bool] = lambda _letter: True
    ) -> list[tuple[DeadLetter, Replayed]]:
        """Every letter that is wanted, with what came of it; all but the kept ones are removed."""
        done: list[tuple[DeadLetter, Replayed]] = []

        def act(letter: DeadLetter) -> bool:
            if not wanted(letter):
                return False
            result = self._replay(letter, actor)
            done.append((letter, result))
            return result is not Replayed.KEPT

        self.dead_letters.work_off(act)
        return done

    def _replay(self, letter: DeadLetter, actor: str) -> Replayed:
        if letter.item_id is None:
            return Replayed.KEPT
        try:
            item = self.catalogue.item(letter.item_id)
        except NotFound:
            return Replayed.KEPT
        if item.state is WorkState.QUEUED:
            self.doorbell.ring(item.kind, item.item_id)
            return Replayed.RUNG
        return self._retried(item, actor) if item.state is WorkState.FAILED else Replayed.OBSOLETE

    def _retried(self, item: WorkItem, actor: str) -> Replayed:
        asset = self.catalogue.asset(item.asset_id)
        if asset.state not in _AT_REST or item.policy.digest != asset.policy.digest:
            return Replayed.OBSOLETE
        try:
            self.redelivery.retry(item.asset_id, actor=actor)
        except IllegalTransition:  # somebody else was faster
            return Replayed.OBSOLETE
        return Replayed.RETRIED
