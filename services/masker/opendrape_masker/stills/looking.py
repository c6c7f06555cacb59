"""What is seen on a still picture: the policy's rules at the policy's sizes and one larger, without a time to link in.

On a video a thing that is hardly seen in one frame is seen well in another. A picture has no other frame: here a
sighting counts from two thirds of the score that it needs on a video, and every rule looks a second time at up to twice
its largest size, because a picture shows more detail than a video does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from opendrape.domain.media_info import MediaInfo
from opendrape.domain.policy import DetectRule, Motion, Policy
from opendrape.media.stills.probing import ONE_FRAME
from opendrape_masker.detectors import Detector
from opendrape_masker.detectors.case_sheet import sheet_score
from opendrape_masker.engine.looking import Eye, Watch, watch_for
from opendrape_masker.engine.pictures import Still, View
from opendrape_masker.engine.regions import Target
from opendrape_masker.engine.sightings import Seen

FRAME: Final = 0
_COUNTS_FROM: Final = 2 / 3
_SHEET_LONG_SIDE: Final = 960
_AT_BORDER: Final = 0.3  # sizes of the thing, as on a video


def larger_too(sizes: Sequence[int], media: MediaInfo) -> tuple[int, ...]:
    """The sizes, and one up to twice the largest of them where the picture has that much to show."""
    largest = min(2 * max(sizes), max(media.width, media.height))
    return (*sizes, largest) if largest > max(sizes) else tuple(sizes)


def policy_for_stills(policy: Policy, media: MediaInfo) -> Policy:
    """The same rules as they are worked with on one picture. What needs a whole video to be told is left out."""
    rules = tuple(
        rule.model_copy(
            update={
                "strong_score": max(rule.weak_score, rule.strong_score * _COUNTS_FROM),
                "long_side_pixels": larger_too(rule.long_side_pixels, media),
            }
        )
        for rule in policy.detect
    )
    return policy.model_copy(update={"detect": rules, "overlays": None, "case_sheet": None})


@dataclass(frozen=True, slots=True)
class Looked:
    """A rule that has looked: its watch, for the counts, and what it wants hidden."""

    watch: Watch
    targets: list[Target]

    @classmethod
    def of(cls, rule: DetectRule, detector: Detector, media: MediaInfo, still: Still, second: Eye | None) -> Looked:
        """``second`` looks too: the eye of the second look, where that found something before."""
        watch = watch_for(rule, detector, media, ONE_FRAME)
        found = watch.eye.look(still, FRAME) + (second.look(still, FRAME) if second is not None else [])
        watch.line.add(0, found)
        return cls(watch, [_target(seen, rule, media) for seen in found if seen.score >= rule.strong_score])


def _target(seen: Seen, rule: DetectRule, media: MediaInfo) -> Target:
    """As large as it is seen, and up to a border that cuts it off; there is no time in which it could have moved."""
    moves = rule.motion is Motion.MOVING
    box = seen.box.reaching(media.width, media.height, within=seen.box.size * _AT_BORDER) if moves else seen.box
    return Target(box.grown(rule.grow), str(seen.thing or rule.role))


def shows_a_sheet(policy: Policy, text: Detector, media: MediaInfo, still: Still) -> bool:
    """True when the picture is of a case sheet, as the policy's rule for the beginning of a video has it."""
    rule = policy.case_sheet
    if rule is None:
        return False
    small = View.of(media, _SHEET_LONG_SIDE).take(still)
    lines = lambda: [(hit.x0, hit.y0, hit.x1, hit.y1) for hit in text.detect([small], [FRAME])[0]]  # noqa: E731
    return sheet_score(small, lines) >= rule.strong_score
