"""How the reports of chunks add up to the report of a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from opendrape.domain.regions import CheckResult, FrameAccount, MaskReport, SmartRender
from opendrape_masker.engine.body_time import joined as joined_body_time
from opendrape_masker.engine.intervals import bounded

_Number = TypeVar("_Number", int, float)


def summed(reports: Sequence[MaskReport]) -> MaskReport:
    """One report for the whole video. Raises ``ValueError`` for none."""
    if not reports:
        raise ValueError("nothing to sum")
    found, joined = bounded(one for r in reports for one in r.found)
    return MaskReport(
        frames=sum(r.frames for r in reports),
        masked_frames=sum(r.masked_frames for r in reports),
        detections=_added([r.detections for r in reports]),
        tracks=_added([r.tracks for r in reports]),
        things=_added([r.things for r in reports]),
        accounts=_accounts([r.accounts for r in reports]),
        models=tuple(dict.fromkeys(use for r in reports for use in r.models)),
        checks=_checks([r.checks for r in reports]),
        duration_seconds=round(sum(r.duration_seconds for r in reports), 6),
        found=found,
        found_joined=joined or any(r.found_joined for r in reports),
        device=reports[0].device,
        survey=reports[0].survey,
        out_of_body=tuple(joined_body_time([one for r in reports for one in r.out_of_body])),
        cosmetic=tuple(sorted({label for r in reports for label in r.cosmetic})),
        smart_render=_smart([r.smart_render for r in reports]),
        seconds={stage: round(s, 3) for stage, s in _added([r.seconds for r in reports]).items()},
        peak_memory_bytes=max(r.peak_memory_bytes for r in reports),
    )


def _added(counts: Sequence[dict[str, _Number]]) -> dict[str, _Number]:
    names = sorted({name for count in counts for name in count})
    return {name: sum((count[name] for count in counts if name in count), start=_zero(counts, name)) for name in names}


def _zero(counts: Sequence[dict[str, _Number]], name: str) -> _Number:
    sample = next(count[name] for count in counts if name in count)
    return sample - sample


def _accounts(parts: Sequence[dict[str, FrameAccount]]) -> dict[str, FrameAccount]:
    total: dict[str, FrameAccount] = {}
    for part in parts:
        for role, account in part.items():
            total[role] = total.get(role, FrameAccount()).plus(account)
    return total


def _smart(parts: Sequence[SmartRender]) -> SmartRender:
    total = SmartRender()
    for part in parts:
        total = total.plus(part)
    return total


def _checks(parts: Sequence[CheckResult]) -> CheckResult:
    psnr = [c.worst_psnr_db for c in parts if c.worst_psnr_db is not None]
    return CheckResult(
        frames_checked=sum(c.frames_checked for c in parts),
        worst_psnr_db=min(psnr) if psnr else None,
        masked_regions_checked=sum(c.masked_regions_checked for c in parts),
        residual_frames_examined=sum(c.residual_frames_examined for c in parts),
        residual_findings=tuple(f for c in parts for f in c.residual_findings),
        remasked_rounds=max(c.remasked_rounds for c in parts),
    )
