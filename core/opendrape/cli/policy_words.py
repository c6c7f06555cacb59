"""What does a policy do, in plain words: one sentence per field, taken from the policy object that the services use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from opendrape.cli.mask_words import mask_lines
from opendrape.domain.devices import DeviceProfile
from opendrape.domain.policy import AudioRule, DetectRule, EncodeRule, OpinionRule, Policy, ResidualRule, Role
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.scene_rules import CaseSheetRule, OutOfBodyRule, OverlayRule
from opendrape.domain.sound import MutedInterval

WORDS: Final[Mapping[type[BaseModel], Mapping[str, str]]] = MappingProxyType(
    {
        DetectRule: {
            "role": "looks for: {value}",
            "max_gap_seconds": "looks at a frame at least every {value} s; frames in between are masked by tracks",
            "motion": "regions are taken to be {value}",
            "long_side_pixels": "each look examines the picture with its longest side at {value} pixels",
            "largest_pixels": "a hit larger than {value} pixels in that picture is left to another rule",
            "from_pixels": "only in videos whose longest side has {value} pixels or more",
            "below_pixels": "only in videos whose longest side has fewer than {value} pixels",
            "strong_score": "a hit of {value} or more counts by itself",
            "weak_score": "a hit of {value} or more counts when a strong one is linked to it",
            "repeated_score": "weak hits linked over three looks and more count when their scores add up to {value}",
            "grow": "each region is widened on every side by {value} of its size",
            "bridge_seconds": "gaps of up to {value} s between two sightings are masked",
            "read_below": "a text hit under {value} counts only when something can be read in it, at some angle",
            "hold_seconds": "masking starts {value} s before the first sighting and ends {value} s after the last",
        },
        OpinionRule: {
            "role": "asks a second detector for: {value}",
            "long_side_pixels": "it examines the picture with its longest side at {value} pixels",
            "doubt_score": "it is asked where the first one has a hit of {value} or more",
            "sure_score": "and of less than {value}",
            "every_looks": "and besides that at every look of which {value} make a round",
            "agree_score": "it agrees with a hit when it sees the same with {value} or more",
            "score_factor": "its own hits count {value} times their score",
            "alone_factor": "a doubted hit with which it does not agree counts {value} times its score",
            "least_pixels": "things of less than {value} pixels in its picture are not doubted",
        },
        AudioRule: {
            "mode": "sound: {value}",
            "intervals": "silent: {value}",
            "copy_packets": "sound that is kept and fits MP4 is copied as it is: {value}",
        },
        EncodeRule: {
            "codec": "written as {value}",
            "encoder": "by the encoder: {value}",
            "preset": "encoder preset {value}",
            "crf": "constant quality {value} (lower is better)",
            "smart_render": "groups of pictures that need no mask are copied instead of encoded again: {value}",
            "minimum_psnr_db": "outside the masks, a frame under {value} dB PSNR against what was meant is an error",
        },
        ResidualRule: {
            "role": "looks again at the written file for: {value}",
            "max_gap_seconds": "at least every {value} s",
            "long_side_pixels": "with the longest side at {value} pixels",
            "score": "a hit of {value} or more that no mask covers is a finding",
            "on_finding": "a finding: {value}",
        },
        OutOfBodyRule: {
            "certain_score": "out of the body: a look of {value} or more is certain",
            "uncertain": "time that is probably out of the body: {value}",
            "review": "held back until a person said where the endoscope was: {value}",
            "confirmed": "said by a person of one video: {value}",
        },
        CaseSheetRule: {
            "within_seconds": "looks for a sheet of paper in the first {value} s and blacks everything up to its end",
            "max_gap_seconds": "looks at a frame at least every {value} s",
            "margin_seconds": "blacked {value} s beyond the last sighting",
            "strong_score": "a hit of {value} or more is a sheet by itself",
            "weak_score": "a hit of {value} or more after that is still the sheet",
        },
        OverlayRule: {
            "samples": "finds fixed overlays by comparing up to {value} pictures spread over the video",
            "largest_share": "more than {value} of the picture standing still is undecidable and masks nothing",
        },
        Policy: {
            "version": "format version {value}",
            "name": "policy {value}",
            "summary": "{value}",
            "require_roles": "promises besides: {value}",
            "nobody_inside": "a large person without a face, where it looks like inside a body, is tissue: {value}",
            "device": "always masks the fixed regions of a device: {value}",
            "marked": "always masks what somebody marked in this one video: {value}",
            "text_allow": "text that matches one of these as a whole stays visible: {value}",
            "chunk_seconds": "cut at key frames into chunks of at least {value} s; a lost worker costs one chunk",
        },
    }
)
"""Every field of every rule has its sentence; a test fails when a new field has none."""

ALWAYS: Final = (
    "Every stream but one video stream (and sound, where it is kept) is dropped: subtitles, data, attachments, covers.",
    "Container tags, chapters, and text inside the video stream (SEI) are dropped; timestamps stay exact.",
    "The written file is checked (frame count, times, geometry, scrub) before anybody can see it.",
)


def explain(policy: Policy) -> Iterator[str]:
    """Lines of text, indented by two spaces per level."""
    yield from _sentences(policy, "")
    if not policy.detect:
        yield "detects nothing by itself: only marked regions are masked"
    for rule in policy.detect:
        yield f"detect {rule.role}"
        yield from _sentences(rule, "  ")
    yield from _scenes(policy)
    for opinion in policy.opinion:
        yield f"second opinion {opinion.role}"
        yield from _sentences(opinion, "  ")
    yield "mask"
    for line in mask_lines(policy.mask):
        yield f"  {line}"
    yield from _sentences(policy.audio, "")
    yield "encode"
    yield from _sentences(policy.encode, "  ")
    if not policy.residual:
        yield "residual check: none (the policy has no detector to look with)"
    for second_look in policy.residual:
        yield f"residual check {second_look.role}"
        yield from _sentences(second_look, "  ")
    yield "always"
    for line in ALWAYS:
        yield f"  {line}"


def _scenes(policy: Policy) -> Iterator[str]:
    if any(rule.role is Role.OUT_OF_BODY for rule in policy.detect):
        yield "out of body"
        yield from _sentences(policy.out_of_body, "  ")
    if policy.case_sheet:
        yield "case sheet"
        yield from _sentences(policy.case_sheet, "  ")
    if policy.overlays:
        yield "fixed overlays"
        yield from _sentences(policy.overlays, "  ")


def _sentences(rule: BaseModel, indent: str) -> Iterator[str]:
    for field, sentence in WORDS[type(rule)].items():
        value = getattr(rule, field)
        if value not in ((), None) and not (field in _OFF_AT_ZERO and not value):
            yield indent + sentence.format(value=_plain(value))


_OFF_AT_ZERO: Final = frozenset({"largest_pixels", "from_pixels", "below_pixels", "repeated_score", "read_below"})
"""Limits that are none when they are zero: nothing is said about them then."""

_CHOICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "remask": "masked too, written and looked at again; what is found even then quarantines the video",
        "quarantine": "the video is quarantined for a person to decide",
        "drop": "dropped",
        "keep": "kept, every stream of it, without names and languages",
        "mute": "kept, every stream of it, but silenced in the intervals given",
        "mask": "blacked too",
        "uncertain": "a video with any time that the looks could not tell",
        "shown": "a video that shows time that the looks could not tell; what is blacked passes",
        "none": "nothing",
        "show": "shown, and reported for a person to decide",
    }
)


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, DeviceProfile):
        return value.label
    if isinstance(value, ConfirmedInterval):
        return f"frames {value.start_frame} to {value.end_frame} {value.where.replace('_', ' ')}"
    if isinstance(value, MutedInterval):
        return f"{_plain(value.start)} to {'the end' if value.end is None else _plain(value.end)} ({value.unit})"
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    return _CHOICES.get(str(value), str(value))
