"""Is a wish for frames one that can be granted: every fault at once, in the words that old clients know (H-03)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opendrape.domain.frames import FORMATS, ChosenSegment
from opendrape.domain.policy import Policy, PolicyRef
from opendrape.domain.reasons import REASONS
from opendrape.domain.states import AssetState
from opendrape.errors import NotFound, OpenDrapeError
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.segments import Segments
from opendrape.settings import FrameSettings

_LARGEST_NUMBER = 2**63 - 1
_PSEUDONYM = re.compile(r"[a-z0-9-]{1,64}")


class Levels(Protocol):
    """Policies by name."""

    def names(self) -> tuple[str, ...]: ...
    def get(self, name: str) -> Policy: ...
    def by_reference(self, ref: PolicyRef) -> Policy: ...
    def remember(self, policy: Policy) -> None: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a wish: the field's name and a reason."""

    field: str
    reason: str

    @property
    def text(self) -> str:
        """For a person."""
        return REASONS[self.reason]


class FramesRefused(OpenDrapeError):
    """The wish cannot be granted; ``faults`` has everything that is wrong with it."""

    next_step = "Mend what is wrong and ask again."

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.text for fault in faults), reason=faults[0].reason)


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish without fault."""

    asset_id: str
    segments: tuple[ChosenSegment, ...]
    level: str
    picture_format: str


@dataclass
class WishReader:
    """Reads one wish as a client wrote it. ``sees`` says whether the caller may know of a video."""

    catalogue: Catalogue
    segments: Segments
    levels: Levels
    limits: FrameSettings
    sees: Callable[[str], bool]
    _faults: list[Fault] = field(default_factory=list)

    def read(self, content: object) -> Wish:
        """The wish; ``FramesRefused`` with every fault."""
        if not isinstance(content, dict):
            raise FramesRefused([Fault("body", "body_invalid")])
        asset_id = self._video(content.get("video_id"))
        chosen = self._segments(content.get("segment_ids"), asset_id)
        level = self._one_of(content, "anonymization_level", self.limits.default_level, self.levels.names())
        picture_format = self._one_of(content, "output_format", self.limits.default_format, tuple(FORMATS))
        if self._faults or asset_id is None:
            raise FramesRefused(self._faults)
        return Wish(asset_id, chosen, level, FORMATS[picture_format])

    def _video(self, given: object) -> str | None:
        """A number, as the predecessor has it, or the pseudonym."""
        asset_id = self._numbered(given) if is_number(given) else given
        if isinstance(asset_id, str) and _PSEUDONYM.fullmatch(asset_id) and self._is_there(asset_id):
            return asset_id
        self._faults.append(Fault("video_id", "video_not_found"))
        return None

    def _numbered(self, number: Any) -> str | None:
        return self.segments.asset_numbered(number)

    def _is_there(self, asset_id: str) -> bool:
        try:
            asset = self.catalogue.asset(asset_id)
        except NotFound:
            return False
        return asset.state is not AssetState.DELETED and self.sees(asset_id)

    def _segments(self, given: object, asset_id: str | None) -> tuple[ChosenSegment, ...]:
        if not isinstance(given, list) or not given or not all(is_number(one) for one in given):
            self._faults.append(Fault("segment_ids", "segments_invalid"))
            return ()
        wanted = dict.fromkeys(given)
        if len(wanted) > self.limits.max_segments:
            self._faults.append(Fault("segment_ids", "segments_too_many"))
            return ()
        if asset_id is None:
            return ()
        known = {one.segment_id: one for one in self.segments.of_asset(asset_id)}
        if any(number not in known for number in wanted):
            self._faults.append(Fault("segment_ids", "segments_invalid"))
            return ()
        chosen = tuple(ChosenSegment(number, known[number].span) for number in sorted(wanted))
        if sum(len(one.span) for one in chosen) > self.limits.max_frames:
            self._faults.append(Fault("segment_ids", "frames_too_many"))
        return chosen

    def _one_of(self, content: Mapping[str, Any], name: str, default: str, allowed: tuple[str, ...]) -> str:
        given = content.get(name, default)
        if isinstance(given, str) and given in allowed:
            return given
        self._faults.append(Fault(name, "level_invalid" if name == "anonymization_level" else "format_invalid"))
        return default


def is_number(given: object) -> bool:
    """A whole number from 1 that a database can hold; True is none."""
    return isinstance(given, int) and not isinstance(given, bool) and 0 < given <= _LARGEST_NUMBER
