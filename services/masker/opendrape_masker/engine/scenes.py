"""Which regions are masked whatever the detectors see in a frame: a device's, fixed overlays, a case sheet, confirmed.

Everything here is a function of the whole video, so every chunk of it gets the same regions (ADR 0007).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, floor

from opendrape.domain.devices import DeviceProfile
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.scene_facts import ConfirmedInterval, SurveyFacts
from opendrape.domain.scene_rules import OverlayRule
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import MediaRefused
from opendrape_masker.detectors import Detector
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.leading_sheet import find_sheet, reach_frames
from opendrape_masker.engine.overlays import EdgeStatistics, OverlayVerdict, judge_overlays, on_full_picture
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.survey import small_lumas, survey_plan

_FEWEST_SAMPLES = 16
_SAMPLES_PER_STRETCH = 32  # of half as many, chance makes an edge of a slow scene look still
_LEAST_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """Regions for every frame that they cover, what is to be reported, and the CPU seconds it took."""

    regions: tuple[MarkedRegion, ...] = ()
    facts: SurveyFacts = field(default_factory=SurveyFacts)
    seconds: float = 0.0


def survey_scene(job: Job, text: Callable[[], Detector], alive: Callable[[], None]) -> Scene:
    """Fixed overlays of the whole video and a sheet at its beginning, as far as the policy wants them.

    Reads the video and keeps no pictures; ``text`` gives what finds lines on a sheet, ``alive`` is called after every
    picture.
    """
    started = time.process_time()
    regions, facts = _overlays(job, job.policy.overlays, alive) if job.policy.overlays else ((), SurveyFacts())
    rule = job.policy.case_sheet
    if rule is not None and job.span.start < reach_frames(job.timeline, rule):
        sheet = find_sheet(job, rule, text(), alive)
        facts = facts.model_copy(update={"case_sheet": sheet.word, "case_sheet_frames": sheet.frames})
        regions = (*regions, *([whole_picture(job.media, FrameSpan(0, sheet.frames))] if sheet.frames else []))
    return Scene(tuple(regions), facts, time.process_time() - started)


def device_regions(profile: DeviceProfile | None, media: MediaInfo) -> tuple[MarkedRegion, ...]:
    """The profile's regions on every frame. ``MediaRefused`` at any other picture size: nothing is ever scaled."""
    if profile is None:
        return ()
    if not profile.fits(media.width, media.height):
        message = f"device profile {profile.label} is made for {profile.frame_width}x{profile.frame_height} pictures"
        raise MediaRefused(message, reason="device_frame_size")
    return tuple(MarkedRegion(x=r.x, y=r.y, width=r.width, height=r.height, must_be_solid=True) for r in profile.region)


def confirmed_regions(confirmed: Sequence[ConfirmedInterval], media: MediaInfo) -> tuple[MarkedRegion, ...]:
    """Whole pictures where a person said that the endoscope is out of the body."""
    spans = (FrameSpan(c.start_frame, c.end_frame) for c in confirmed if c.where == "out_of_body")
    return tuple(whole_picture(media, span) for span in spans)


def whole_picture(media: MediaInfo, span: FrameSpan) -> MarkedRegion:
    """Every pixel of the frames of ``span``."""
    return MarkedRegion(
        x=0,
        y=0,
        width=media.width,
        height=media.height,
        start_frame=span.start,
        end_frame=span.end,
        must_be_solid=True,
    )


def _overlays(job: Job, rule: OverlayRule, alive: Callable[[], None]) -> tuple[tuple[MarkedRegion, ...], SurveyFacts]:
    plan = survey_plan(job.timeline, rule.samples)
    seconds = job.timeline.seconds(plan.frames[-1]) - job.timeline.seconds(plan.frames[0])
    if len(plan.frames) < _FEWEST_SAMPLES or seconds < _LEAST_SECONDS:
        facts = SurveyFacts(overlays="undecidable", overlays_why="too_short", samples=len(plan.frames))
        return (), facts
    stretches = _stretches(plan.frames)
    small = (0, 0)
    statistics = [EdgeStatistics() for _ in stretches]
    for frame, luma in small_lumas(job, plan.frames, plan.runs):
        small = (luma.shape[1], luma.shape[0])
        next(s for s, span in zip(statistics, stretches, strict=True) if frame in span).add(luma)
        alive()
    verdicts = [judge_overlays(one, largest_share=rule.largest_share) for one in statistics]
    return _as_regions(job, verdicts, stretches, small), _facts(verdicts, len(plan.frames), small)


def _stretches(frames: Sequence[int]) -> list[FrameSpan]:
    """Up to four stretches of at least 32 samples: an overlay need not be there all the time."""
    count = max(1, min(4, len(frames) // _SAMPLES_PER_STRETCH))
    firsts = [frames[n * len(frames) // count] for n in range(count)]
    return [FrameSpan(a, b) for a, b in zip(firsts, [*firsts[1:], frames[-1] + 1], strict=True)]


def _as_regions(
    job: Job, verdicts: Sequence[OverlayVerdict], stretches: Sequence[FrameSpan], small: tuple[int, int]
) -> tuple[MarkedRegion, ...]:
    """What is seen through one stretch is masked in its neighbours too: there it may come or go half-way."""
    regions: list[MarkedRegion] = []
    for number, verdict in enumerate(verdicts):
        start = 0 if number <= 1 else stretches[number - 1].start
        end = None if number >= len(stretches) - 2 else stretches[number + 1].end
        boxes = on_full_picture(verdict.boxes, small, (job.media.width, job.media.height))
        regions += (_region(box, start, end) for box in boxes)
    return tuple(_merged(regions))


def _merged(regions: Sequence[MarkedRegion]) -> Iterator[MarkedRegion]:
    """The same box found in several stretches is one region when their times join up."""
    open_: dict[tuple[int, int, int, int], MarkedRegion] = {}
    for region in regions:
        key = (region.x, region.y, region.width, region.height)
        earlier = open_.get(key)
        if earlier is None:
            open_[key] = region
        elif earlier.end_frame is None or region.start_frame <= earlier.end_frame:
            open_[key] = earlier.model_copy(update={"end_frame": region.end_frame})
        else:
            yield earlier
            open_[key] = region
    yield from open_.values()


def _region(box: Box, start: int, end: int | None) -> MarkedRegion:
    x, y = floor(box.x0), floor(box.y0)
    return MarkedRegion(
        x=x,
        y=y,
        width=max(1, ceil(box.x1) - x),
        height=max(1, ceil(box.y1) - y),
        start_frame=start,
        end_frame=end,
        must_be_solid=True,
    )


def _facts(verdicts: Sequence[OverlayVerdict], samples: int, small: tuple[int, int]) -> SurveyFacts:
    why = next((verdict.undecidable for verdict in verdicts if verdict.undecidable), "")
    most = max(verdicts, key=lambda verdict: sum(box.area for box in verdict.boxes))
    share = sum(box.area for box in most.boxes) / (small[0] * small[1])
    found = any(verdict.boxes for verdict in verdicts)
    return SurveyFacts(
        overlays="found" if found else "undecidable" if why else "none",
        overlays_why=why,
        samples=samples,
        overlay_regions=sum(len(verdict.boxes) for verdict in verdicts),
        overlay_share=round(share, 4),
    )
