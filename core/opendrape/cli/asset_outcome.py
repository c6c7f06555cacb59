"""What became of one asset: the facts of the table and of the JSON at the end of a run, receipt verified anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final

from opendrape.bootstrap import Container
from opendrape.cli.receipts import delivery_fault
from opendrape.cli.worked_time import worked_seconds
from opendrape.domain.body_review import awaiting_review
from opendrape.domain.reasons import explain
from opendrape.domain.scene_facts import BodyInterval
from opendrape.domain.states import AssetState
from opendrape.domain.work import ArtefactKind, Asset
from opendrape.errors import OpenDrapeError, UncertainOutOfBody

RECEIPT_FAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "receipt_missing": "The receipt is not in this folder; what is there in place of its video stays.",
        "output_missing": "The receipt is here, but its video is gone from this folder.",
        "output_differs": "The video is not the one that was delivered: it was changed afterwards.",
        "tampered": "The receipt was changed after it was signed.",
        "wrong_key": "The receipt was signed with another key than the one of this state folder.",
        "unreadable": "The receipt cannot be read.",
    }
)
"""What is wrong with a delivery that once was right, in words."""


@dataclass(frozen=True, slots=True)
class AssetOutcome:
    """One asset after a run. ``seconds`` of work, plan to delivery; ``speed`` is video seconds per such second."""

    asset: str
    state: AssetState
    reason: str | None = None
    frames: int | None = None
    masked_frames: int | None = None
    detections: dict[str, int] = field(default_factory=dict)
    tracks: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    speed: float | None = None
    output: str | None = None
    receipt: str | None = None
    receipt_fault: str | None = None
    in_doubt: tuple[BodyInterval, ...] = ()

    @property
    def delivered(self) -> bool:
        """Delivered, and output and receipt are what they should be, now."""
        return self.state is AssetState.DELIVERED and self.receipt_fault is None

    @property
    def sentence(self) -> str:
        """The reason in words; empty when there is none."""
        if self.receipt_fault:
            return RECEIPT_FAULTS.get(self.receipt_fault, explain(self.receipt_fault) or "")
        return explain(self.reason) or ""

    def as_json(self) -> dict[str, Any]:
        """Ids, counts and times: nothing names a person or a source."""
        waiting = [one.model_dump(mode="json") for one in self.in_doubt]
        told = {"in_doubt": waiting, "receipt_verified": self.receipt is not None and self.receipt_fault is None}
        return asdict(self) | told


def outcome_of(container: Container, asset_id: str) -> AssetOutcome:
    """Read the catalogue, then read output and receipt back from the destination and check the signature."""
    catalogue = container.catalogue
    asset = catalogue.asset(asset_id)
    report, media = catalogue.report(asset_id, asset.policy.digest), catalogue.media_info(asset_id)
    output, receipt, fault = _delivered(container, asset)
    if report is None:
        waiting = _in_doubt(container, asset)
        return AssetOutcome(
            asset_id,
            asset.state,
            asset.reason,
            output=output,
            receipt=receipt,
            receipt_fault=fault,
            in_doubt=waiting,
        )
    seconds = worked_seconds(catalogue.audit_events(asset_id))
    return AssetOutcome(
        asset=asset_id,
        state=asset.state,
        reason=asset.reason,
        frames=report.frames,
        masked_frames=report.masked_frames,
        detections=report.detections,
        tracks=report.tracks,
        seconds=round(seconds, 2),
        speed=round(media.duration_seconds / seconds, 2) if media and seconds else None,
        output=output,
        receipt=receipt,
        receipt_fault=fault,
    )


def _in_doubt(container: Container, asset: Asset) -> tuple[BodyInterval, ...]:
    """What a person must say before this asset can be joined and delivered."""
    if asset.reason != UncertainOutOfBody.default_reason:
        return ()
    reports = container.catalogue.chunk_reports(asset.asset_id, asset.policy.digest)
    rule = container.policies.by_reference(asset.policy).out_of_body
    return tuple(one for report in reports for one in awaiting_review(report.out_of_body, rule))


def _delivered(container: Container, asset: Asset) -> tuple[str | None, str | None, str | None]:
    """Output's name, receipt's name and what is wrong with the receipt, if anything."""
    if asset.state is not AssetState.DELIVERED:
        return None, None, None
    names = []
    for kind in (ArtefactKind.PUBLISHED, ArtefactKind.RECEIPT):
        found = container.catalogue.artefacts(asset.asset_id, asset.policy.digest, kind)
        names.append(found[-1].name if found else None)
    output, receipt = names
    if receipt is None:
        return output, None, "receipt_missing"
    try:
        return output, receipt, delivery_fault(container, receipt)
    except OpenDrapeError as error:
        return output, receipt, error.reason
