"""What a policy is: data that says which detectors run, how regions are masked and what counts as a finding."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from opendrape.domain.devices import DeviceProfile
from opendrape.domain.exact import Seconds
from opendrape.domain.marked import MarkedRegion
from opendrape.domain.mask_rule import MaskRule
from opendrape.domain.output_rules import AudioRule, EncodeRule
from opendrape.domain.scene_rules import CaseSheetRule, OutOfBodyRule, OverlayRule, checked_pattern

__all__ = [
    "AllowedText",
    "AudioRule",
    "DetectRule",
    "EncodeRule",
    "MaskRule",
    "Motion",
    "OpinionRule",
    "Policy",
    "PolicyRef",
    "ResidualRule",
    "Role",
    "Seconds",
]

AllowedText = Annotated[str, AfterValidator(checked_pattern)]
"""A regular expression that harmless overlay text matches as a whole."""


_OFF_BY_DEFAULT = ("below_pixels", "from_pixels", "largest_pixels", "repeated_score")


class Role(StrEnum):
    """What a model is for. A policy asks for roles; the model repository answers with models in order of preference."""

    FACE = "face"
    HEAD = "head"
    TEXT = "text"
    TEXT_RECOGNITION = "text-recognition"
    PERSON_VEHICLE = "person-vehicle"
    PLATE = "plate"
    SCREEN = "screen"
    OUT_OF_BODY = "out-of-body"


class Motion(StrEnum):
    """How regions behave between two looks."""

    MOVING = "moving"
    STATIC = "static"


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DetectRule(_Rule):
    """One detector at work: role, schedule, thresholds and how far its regions reach."""

    role: Role
    max_gap_seconds: Seconds = Field(description="longest time between two examined frames")
    motion: Motion = Motion.MOVING
    long_side_pixels: tuple[int, ...] = Field(description="one look per entry: longest side of the examined picture")
    strong_score: float = Field(gt=0, lt=1, description="a detection by itself")
    weak_score: float = Field(gt=0, lt=1, description="counts only when linked to a strong one")
    grow: float = Field(default=0.2, ge=0, le=1, description="each side, relative to the region's size")
    bridge_seconds: Seconds = Field(default=Fraction(3, 5), description="longest gap filled between two sightings")
    hold_seconds: Seconds = Field(default=Fraction(2, 5), description="masked on beyond first and last sighting")
    largest_pixels: int = Field(
        default=0, ge=0, description="larger hits in the examined picture are another rule's business; 0: none is"
    )
    from_pixels: int = Field(
        default=0, ge=0, description="used in videos whose longest side has so many pixels or more; 0: in all"
    )
    below_pixels: int = Field(
        default=0, ge=0, description="used in videos whose longest side has fewer pixels than this; 0: in all"
    )
    repeated_score: float = Field(
        default=0.0,
        ge=0,
        description="weak detections linked over three looks and more count when their scores add up to it; 0: never",
    )
    read_below: float = Field(
        default=0.0, ge=0, lt=1, description="a text hit under this score counts when something can be read in it"
    )

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A policy that uses none of them keeps the digest that it had before there were such fields."""
        content: dict[str, Any] = serialise(self)
        return {name: value for name, value in content.items() if value or name not in _OFF_BY_DEFAULT}

    @field_validator("weak_score")
    @classmethod
    def _weak_below_strong(cls, value: float, info: Any) -> float:
        if value > info.data.get("strong_score", 1.0):
            raise ValueError("weak_score must not exceed strong_score")
        return value

    @field_validator("read_below")
    @classmethod
    def _only_text_is_read(cls, value: float, info: Any) -> float:
        if value and info.data.get("role") is not Role.TEXT:
            raise ValueError("read_below is for role 'text' only")
        return value


class OpinionRule(_Rule):
    """A second detector of a role, asked where the first one doubts, and now and then without being asked for."""

    role: Role
    long_side_pixels: int
    doubt_score: float = Field(gt=0, lt=1, description="hits of the first detector from here on up are doubted")
    sure_score: float = Field(gt=0, lt=1, description="hits of the first detector from here on up need nobody else")
    every_looks: int = Field(ge=1, description="asked at every n-th look whatever the first one says")
    agree_score: float = Field(gt=0, lt=1, description="from here on up the second detector sees the same thing")
    score_factor: float = Field(gt=0, description="its scores times this compare with those of the first detector")
    alone_factor: float = Field(gt=0, le=1, description="for doubted hits that the second detector does not see")
    least_pixels: int = Field(default=0, ge=0, description="smaller things are below what it can see at its size")


class ResidualRule(_Rule):
    """The second look at the written file (V-15)."""

    role: Role
    max_gap_seconds: Seconds
    long_side_pixels: int
    score: float = Field(gt=0, lt=1)
    on_finding: Literal["remask", "quarantine"] = Field(
        default="remask", description="remask: mask what was found, write again, look again; what is left quarantines"
    )


class Policy(_Rule):
    """A named level (V-01). Its digest is in every work item and every receipt."""

    version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    summary: str
    detect: tuple[DetectRule, ...] = ()
    require_roles: tuple[Role, ...] = Field(default=(), description="roles promised; missing ones stop before any work")
    mask: MaskRule = MaskRule()
    audio: AudioRule = AudioRule()
    encode: EncodeRule = EncodeRule()
    opinion: tuple[OpinionRule, ...] = ()
    residual: tuple[ResidualRule, ...] = ()
    nobody_inside: bool = Field(
        default=False, description="large people without a face, in what looks like the inside of a body, are tissue"
    )
    chunk_seconds: Seconds = Fraction(60)
    device: DeviceProfile | None = Field(default=None, description="fixed regions of one device at one picture size")
    text_allow: tuple[AllowedText, ...] = Field(default=(), max_length=32, description="text that need not be masked")
    overlays: OverlayRule | None = Field(default=None, description="fixed overlays by temporal statistics")
    out_of_body: OutOfBodyRule = OutOfBodyRule()
    case_sheet: CaseSheetRule | None = Field(default=None, description="a sheet at the beginning is blacked")
    marked: tuple[MarkedRegion, ...] = Field(
        default=(), max_length=1000, description="regions that somebody marked in one video; masked beside all else"
    )

    @model_serializer(mode="wrap")
    def _without_empty_marks(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A policy without marks keeps the digest that it had before there were marks."""
        content: dict[str, Any] = serialise(self)
        if not self.marked:
            content.pop("marked", None)
        return content

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of every field, in hex."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def reference(self) -> PolicyRef:
        """Name and digest, as carried by work items and receipts."""
        return PolicyRef(name=self.name, digest=self.digest)

    @property
    def roles(self) -> frozenset[Role]:
        """Every role this policy needs a model for."""
        asked = {rule.role for rule in self.detect} | {rule.role for rule in self.residual}
        reads = any(rule.read_below for rule in self.detect) or any(rule.role is Role.TEXT for rule in self.residual)
        if self.text_allow or reads:
            asked.add(Role.TEXT_RECOGNITION)
        if self.nobody_inside:
            asked.add(Role.FACE)
        if Role.HEAD in asked:  # no model of its own: a body with a face makes a head
            asked = (asked - {Role.HEAD}) | {Role.PERSON_VEHICLE, Role.FACE}
        if self.case_sheet is not None:
            asked.add(Role.TEXT)
        asked.discard(Role.OUT_OF_BODY)  # a measured heuristic is built in; require_roles asks for a site's own model
        return frozenset(asked | set(self.require_roles))


class PolicyRef(_Rule):
    """A policy by name and digest."""

    name: str
    digest: str

    @property
    def label(self) -> str:
        """Short name used in output names: ``faces-1a2b3c4d``."""
        return f"{self.name}-{self.digest[:8]}"
