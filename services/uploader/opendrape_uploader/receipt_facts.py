"""What a receipt says: the facts of one delivery, rounded, with the DICOM codes that the work has earned."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime
from typing import Final

from opendrape import __version__
from opendrape.domain.policy import PolicyRef, Role
from opendrape.domain.regions import (
    CheckResult,
    DeliveryCheck,
    MaskReport,
    ModelUse,
    OutputFacts,
    Receipt,
    ResidualFinding,
    SourceFacts,
)
from opendrape.domain.work import Asset
from opendrape.ports.blobs import StoredBlob

# DICOM PS3.16, context group 7050 (de-identification method); the options are defined in PS3.15, E.3.
_BASIC_PROFILE: Final = ("113100", "DCM", "Basic Application Confidentiality Profile")
_CLEAN_PIXELS: Final = ("113101", "DCM", "Clean Pixel Data Option")
_CLEAN_FEATURES: Final = ("113102", "DCM", "Clean Recognizable Visual Features Option")
_OPTIONS: Final = ((Role.TEXT, _CLEAN_PIXELS), (Role.FACE, _CLEAN_FEATURES))


def receipt_of(
    asset: Asset, policy: PolicyRef, *, report: MaskReport, scrub: dict[str, int], output: StoredBlob, at: datetime
) -> Receipt:
    """The receipt of an output that was read back at ``at``."""
    moment = at.isoformat(timespec="seconds")
    report = rounded(report)
    return Receipt(
        asset=asset.asset_id,
        subject=asset.subject_id,
        policy=policy,
        input=SourceFacts(sha256=asset.content_sha256, size_bytes=asset.size_bytes),
        output=OutputFacts(name=output.name, sha256=output.sha256, md5=output.md5, size_bytes=output.size_bytes),
        report=report,
        scrub=scrub,
        residual=residual_independence(report.models),
        deidentification_codes=deidentification_codes(report),
        delivery=DeliveryCheck(
            method="read_back_full", sha256=output.sha256, size_bytes=output.size_bytes, verified_at=moment
        ),
        software=f"opendrape {__version__}",
        issued_at=moment,
    )


def deidentification_codes(report: MaskReport) -> tuple[tuple[str, str, str], ...]:
    """DICOM PS3.15 method codes that hold for this video.

    The basic profile always: metadata is dropped, identity is replaced by pseudonyms. Clean Pixel Data when burned-in
    text was looked for, Clean Recognizable Visual Features when faces were; neither when the second look still found
    some, or when a cosmetic effect hid them. Regions that a person marked earn no code, as nobody knows what was in
    them. Clean Descriptors and the retain options never: nothing descriptive is kept.
    """
    looked_for = {use.role for use in report.models if use.purpose == "detect"}
    left = {finding.role for finding in report.checks.residual_findings}
    return (_BASIC_PROFILE, *(code for role, code in _OPTIONS if role in looked_for - left - set(report.cosmetic)))


def residual_independence(models: Collection[ModelUse]) -> str:
    """How independent the second look was: ``other-detector``, ``other-scale`` (same weights) or ``none``.

    Faces decide where they were looked for twice; otherwise every role that was.
    """
    second = [use for use in models if use.purpose == "residual"]
    if not second:
        return "none"
    decisive = [use for use in second if use.role == Role.FACE] or second
    first = {(use.role, use.sha256) for use in models if use.purpose in ("detect", "opinion")}
    return "other-scale" if any((use.role, use.sha256) in first for use in decisive) else "other-detector"


def rounded(report: MaskReport) -> MaskReport:
    """Times to milliseconds, levels to 0.01 dB, scores to four digits; an infinite PSNR (no difference) is None."""
    seconds = {stage: round(value, 3) for stage, value in report.seconds.items() if math.isfinite(value)}
    return report.model_copy(update={"seconds": seconds, "checks": _rounded_checks(report.checks)})


def _rounded_checks(checks: CheckResult) -> CheckResult:
    level = checks.worst_psnr_db
    shown = round(level, 2) if level is not None and math.isfinite(level) else None
    findings = tuple(_rounded_finding(finding) for finding in checks.residual_findings)
    return checks.model_copy(update={"worst_psnr_db": shown, "residual_findings": findings})


def _rounded_finding(finding: ResidualFinding) -> ResidualFinding:
    return finding.model_copy(update={"score": round(finding.score, 4)})
