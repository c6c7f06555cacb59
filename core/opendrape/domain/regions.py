"""What was found and what is masked: explicit regions, counts and reports, as plain facts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from opendrape.domain.marked import MarkedRegion as MarkedRegion
from opendrape.domain.policy import PolicyRef
from opendrape.domain.scene_facts import BodyInterval, SurveyFacts
from opendrape.domain.sound import SoundFacts


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FrameAccount(_Facts):
    """V-02: every frame is in exactly one of three counts, per role."""

    examined: int = 0
    inside_track: int = 0
    bracketed: int = 0

    def plus(self, other: FrameAccount) -> FrameAccount:
        """Sum, count by count."""
        return FrameAccount(
            examined=self.examined + other.examined,
            inside_track=self.inside_track + other.inside_track,
            bracketed=self.bracketed + other.bracketed,
        )


class ModelUse(_Facts):
    """Which weights looked at the video, and what for."""

    role: str
    model: str
    sha256: str
    purpose: str = Field(description="detect or residual")
    long_side_pixels: tuple[int, ...] = ()


class ResidualFinding(_Facts):
    """Something the second look saw in the written file and no mask covers."""

    frame: int
    role: str
    score: float
    x: int
    y: int
    width: int
    height: int


class CheckResult(_Facts):
    """What was verified on written bytes."""

    frames_checked: int = 0
    worst_psnr_db: float | None = None
    masked_regions_checked: int = 0
    residual_frames_examined: int = 0
    residual_findings: tuple[ResidualFinding, ...] = ()
    remasked_rounds: int = 0


class SmartRender(_Facts):
    """V-11: how many frames have the source's own packets, and why others have not, counted in frames by reason."""

    copied_frames: int = 0
    searched_frames: int = Field(default=0, description="frames of groups in which only looks were decoded at first")
    encoded_frames: dict[str, int] = Field(
        default_factory=dict, description="masked: something in the group is masked; else why it cannot be copied"
    )

    def plus(self, other: SmartRender) -> SmartRender:
        """Sum, count by count."""
        reasons = sorted({*self.encoded_frames, *other.encoded_frames})
        return SmartRender(
            copied_frames=self.copied_frames + other.copied_frames,
            searched_frames=self.searched_frames + other.searched_frames,
            encoded_frames={r: self.encoded_frames.get(r, 0) + other.encoded_frames.get(r, 0) for r in reasons},
        )


class FoundInterval(_Facts):
    """Frames ``[start_frame, end_frame)`` in which something of a role was masked, without a pause."""

    role: str = Field(description="a role's name or marked")
    start_frame: int
    end_frame: int
    start_seconds: float = Field(default=0.0, description="from the first frame of the video")
    end_seconds: float = Field(default=0.0, description="when the first frame without it is shown")
    most_at_once: int = Field(default=1, description="most regions of the role on one of the frames")


class MaskReport(_Facts):
    """What masking one chunk (or, summed, one video) did. Frames are absolute."""

    version: int = 1
    frames: int
    masked_frames: int
    detections: dict[str, int] = Field(description="detections kept, by role")
    tracks: dict[str, int] = Field(description="continuous appearances, by role")
    things: dict[str, int] = Field(default_factory=dict, description="continuous appearances, by class of thing")
    accounts: dict[str, FrameAccount]
    models: tuple[ModelUse, ...]
    checks: CheckResult
    found: tuple[FoundInterval, ...] = Field(default=(), description="what was masked when, by role and time")
    duration_seconds: float = Field(default=0.0, description="how long the frames are shown")
    found_joined: bool = Field(default=False, description="too many intervals: short pauses between them were closed")
    device: str = Field(default="", description="the device profile whose regions were masked, as id@version")
    survey: SurveyFacts = SurveyFacts()
    out_of_body: tuple[BodyInterval, ...] = Field(default=(), description="when it was, or may have been, out of body")
    sound: SoundFacts | None = Field(default=None, description="what became of the sound; None until it is assembled")
    cosmetic: tuple[str, ...] = Field(default=(), description="classes hidden from view only, not de-identified")
    smart_render: SmartRender = SmartRender()
    seconds: dict[str, float] = Field(default_factory=dict, description="time spent by stage")
    peak_memory_bytes: int = 0


class SourceFacts(_Facts):
    """The input as the receipt names it."""

    sha256: str
    size_bytes: int


class OutputFacts(_Facts):
    """The output as the receipt names it."""

    name: str
    sha256: str
    md5: str
    size_bytes: int


class DeliveryCheck(_Facts):
    """How the delivered bytes were verified."""

    method: str = Field(description="read_back_full")
    sha256: str
    size_bytes: int
    verified_at: str


class Receipt(_Facts):
    """What was done to one asset (D-06). Signed over its RFC 8785 canonical JSON; verifiable offline."""

    format: str = "opendrape-receipt/1"
    asset: str
    subject: str | None
    policy: PolicyRef
    input: SourceFacts
    output: OutputFacts
    report: MaskReport
    scrub: dict[str, int] = Field(description="what was removed, by kind")
    residual: str = Field(description="how independent the second look was: other-detector, other-scale or none")
    deidentification_codes: tuple[tuple[str, str, str], ...] = Field(
        description="DICOM PS3.15 method codes: (value, scheme, meaning)"
    )
    reviewer: str | None = None
    delivery: DeliveryCheck
    software: str
    issued_at: str
