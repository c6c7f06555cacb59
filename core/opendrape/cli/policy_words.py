"""What does a policy do, in plain words: one sentence per field, taken from the policy object that the services use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from opendrape.domain.policy import AudioRule, DetectRule, EncodeRule, MaskRule, Policy, ResidualRule

WORDS: Final[Mapping[type[BaseModel], Mapping[str, str]]] = MappingProxyType(
    {
        DetectRule: {
            "role": "looks for: {value}",
            "max_gap_seconds": "looks at a frame at least every {value} s; frames in between are masked by tracks",
            "motion": "regions are taken to be {value}",
            "long_side_pixels": "each look examines the picture with its longest side at {value} pixels",
            "strong_score": "a hit of {value} or more counts by itself",
            "weak_score": "a hit of {value} or more counts when a strong one is linked to it",
            "grow": "each region is widened on every side by {value} of its size",
            "bridge_seconds": "gaps of up to {value} s between two sightings are masked",
            "hold_seconds": "masking starts {value} s before the first sighting and ends {value} s after the last",
        },
        MaskRule: {
            "effect": "regions are painted {value}; what was there cannot be computed back",
            "shape": "as a {value}",
            "colour_rgb": "in the colour {value} (red, green, blue)",
            "dilate_pixels": "{value} pixels wider than the region",
        },
        AudioRule: {"mode": "sound: {value}"},
        EncodeRule: {
            "codec": "written as {value}",
            "preset": "encoder preset {value}",
            "crf": "constant quality {value} (lower is better)",
            "minimum_psnr_db": "outside the masks, a frame under {value} dB PSNR against what was meant is an error",
        },
        ResidualRule: {
            "role": "looks again at the written file for: {value}",
            "max_gap_seconds": "at least every {value} s",
            "long_side_pixels": "with the longest side at {value} pixels",
            "score": "a hit of {value} or more that no mask covers is a finding",
            "on_finding": "a finding: {value}",
        },
        Policy: {
            "version": "format version {value}",
            "name": "policy {value}",
            "summary": "{value}",
            "require_roles": "promises besides: {value}",
            "chunk_seconds": "cut at key frames into chunks of at least {value} s; a lost worker costs one chunk",
        },
    }
)
"""Every field of every rule has its sentence; a test fails when a new field has none."""

ALWAYS: Final = (
    "Every stream but one video stream is dropped: sound, subtitles, data, attachments, cover pictures.",
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
    yield "mask"
    yield from _sentences(policy.mask, "  ")
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


def _sentences(rule: BaseModel, indent: str) -> Iterator[str]:
    for field, sentence in WORDS[type(rule)].items():
        value = getattr(rule, field)
        if value != ():
            yield indent + sentence.format(value=_plain(value))


_CHOICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "remask": "masked too, written and looked at again; what is found even then quarantines the video",
        "quarantine": "the video is quarantined for a person to decide",
        "drop": "dropped",
        "solid": "over with one colour",
    }
)


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_plain(part) for part in value)
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    return _CHOICES.get(str(value), str(value))
