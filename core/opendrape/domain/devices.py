"""What a device profile is: where one device, at one picture size, always writes what must be hidden (V-04)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

DEVICE_ID = r"^[a-z0-9][a-z0-9-]{0,63}$"


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceRegion(_Facts):
    """One fixed rectangle in pixels of the stored picture, and why it is hidden."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    reason: str = Field(min_length=1, max_length=120, description="what is written there, never whose")


class DeviceProfile(_Facts):
    """Fixed overlay regions of one device at exactly one picture size.

    A profile is part of the policy that it was chosen for, so the policy's digest covers every region. ``verified``
    says that somebody compared it with recordings of the device; ``source`` says who or what it is taken from.
    """

    id: str = Field(pattern=DEVICE_ID)
    version: int = Field(ge=1)
    verified: bool = False
    vendor: str = Field(min_length=1, max_length=60)
    model: str = Field(min_length=1, max_length=60)
    source: str = Field(default="", max_length=300)
    frame_width: int = Field(gt=0)
    frame_height: int = Field(gt=0)
    region: tuple[DeviceRegion, ...] = Field(min_length=1, max_length=64)

    @property
    def label(self) -> str:
        """How report and receipt name it: ``id@version``, with ``(unverified)`` when nobody compared it."""
        return f"{self.id}@{self.version}" + ("" if self.verified else " (unverified)")

    @field_validator("region")
    @classmethod
    def _not_twice(cls, regions: tuple[DeviceRegion, ...]) -> tuple[DeviceRegion, ...]:
        corners = [(r.x, r.y, r.width, r.height) for r in regions]
        if len(set(corners)) != len(corners):
            raise ValueError("the same region twice")
        return regions

    @model_validator(mode="after")
    def _inside_the_picture(self) -> DeviceProfile:
        if any(r.x + r.width > self.frame_width or r.y + r.height > self.frame_height for r in self.region):
            raise ValueError("a region reaches out of the picture")
        return self

    def fits(self, width: int, height: int) -> bool:
        """True for exactly the picture size that the profile was made for; nothing is ever scaled."""
        return (self.frame_width, self.frame_height) == (width, height)
