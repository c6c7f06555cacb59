"""What the audit trail alone says about assets and items: replayed event by event against the tables of transitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from opendrape.domain.audit import AuditEvent
from opendrape.domain.states import ASSET_TRANSITIONS, WORK_TRANSITIONS, AssetState, WorkState


@dataclass
class Replay:
    """States after the events so far. ``AssertionError`` on a change that the tables do not allow."""

    assets: dict[str, AssetState] = field(default_factory=dict)
    items: dict[int, WorkState] = field(default_factory=dict)

    def follow(self, events: Iterable[AuditEvent]) -> Replay:
        """Take in further events."""
        for event in events:
            subject, _, state = event.action.partition(".")
            if subject == "asset":
                self._move_asset(event.object_id, AssetState(state))
            elif subject == "work":
                item = event.facts["item"]
                assert isinstance(item, int)
                self._move_item(item, WorkState(state))
        return self

    def _move_asset(self, asset_id: str, after: AssetState) -> None:
        before = self.assets.get(asset_id)
        assert after is AssetState.REGISTERED if before is None else after in ASSET_TRANSITIONS[before]
        self.assets[asset_id] = after

    def _move_item(self, item: int, after: WorkState) -> None:
        before = self.items.get(item)
        assert after is WorkState.QUEUED if before is None else after in WORK_TRANSITIONS[before]
        self.items[item] = after
