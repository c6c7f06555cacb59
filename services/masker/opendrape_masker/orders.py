"""What a media child is told and what it answers: plain JSON, no names, files only in its own folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.output_rules import AudioRule
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MarkedRegion, MaskReport
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.sound import SoundFacts
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.media.limits import MediaLimits
from opendrape_masker.inference.relayed_session import RemoteModels


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True)


class Limits(_Order):
    """Limits on untrusted media, as the settings have them."""

    max_pixels: int
    max_frames: int
    max_duration_seconds: float
    max_streams: int

    def typed(self) -> MediaLimits:
        """As the media package takes them."""
        return MediaLimits(**self.model_dump())


class MaskOrder(_Order):
    """Mask frames ``[start, end)`` of the video behind ``descriptor`` into ``folder``."""

    descriptor: int
    media: MediaInfo
    timeline: Path
    start: int
    end: int
    policy: Policy
    regions: tuple[MarkedRegion, ...] = ()
    confirmed: tuple[ConfirmedInterval, ...] = ()
    limits: Limits
    threads: int
    window_bytes: int
    models_dir: Path
    model_repository: tuple[Path, ...]
    inference_seconds: float
    folder: Path
    remote: RemoteModels | None = None

    @property
    def span(self) -> FrameSpan:
        return FrameSpan(self.start, self.end)


class MaskAnswer(_Order):
    """The written chunk and what was done to it."""

    path: Path
    sha256: str
    report: MaskReport

    @property
    def evidence(self) -> Path:
        """What was painted on each frame, beside the chunk."""
        return self.path.with_name("evidence.bin")


class SoundOrder(_Order):
    """Take the sound of the video behind ``descriptor`` as ``rule`` says."""

    descriptor: int
    rule: AudioRule
    limits: Limits


class AssembleOrder(_Order):
    """Join ``chunks`` into one file in ``folder`` and prove it."""

    chunks: tuple[Path, ...]
    media: MediaInfo
    timeline: Path
    folder: Path
    sound: SoundOrder | None = None


class AssembleAnswer(_Order):
    """The assembled file, digested."""

    path: Path
    sha256: str
    md5: str
    size_bytes: int
    scrub: dict[str, int]
    sound: SoundFacts = SoundFacts()


def read_timeline(path: Path) -> Timeline:
    """A stored timeline."""
    return Timeline.from_bytes(path.read_bytes())
