"""What the children of a self-test are told: plain JSON, files only in their own folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import Policy
from opendrape_masker.orders import Limits


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True)


class ClipSource(_Order):
    """An open clip, already probed."""

    descriptor: int
    media: MediaInfo
    timeline: Path


class InsertOrder(_Order):
    """Insert ``events`` identities into the first ``seconds`` of a clip, or of tissue when there is none."""

    clip: ClipSource | None
    width: int
    height: int
    seconds: float
    seed: int
    events: int
    photographs: Path | None
    limits: Limits
    threads: int
    video: Path
    truth: Path


class JudgeOrder(_Order):
    """Hold the masked video against the truth of the one before."""

    before: int
    after: int
    truth: Path
    policy: Policy
    limits: Limits
    threads: int
