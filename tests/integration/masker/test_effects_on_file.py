"""V-07, V-16: a cosmetic effect is proven on the written file: what was painted is there, and what was there is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from opendrape.domain.mask_rule import ClassLook, Effect, MaskRule, Shape
from opendrape.domain.policy import EncodeRule, ResidualRule, Role
from opendrape.domain.regions import CheckResult, MarkedRegion
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.reader import Picture
from opendrape.media.writer import ChunkWriter, read_chunk
from opendrape_masker.engine.checking import ChunkCheck
from opendrape_masker.engine.evidence import EvidenceWriter, read_evidence
from opendrape_masker.engine.pictures import Array, plane_array
from opendrape_masker.engine.regions import Painted
from tests.fakes.detectors import ScriptedDetector
from tests.integration.masker.workbench import POLICY, SIZE, Bench, Masked, moving_pattern
from tests.integration.media.footage import pictures, probed

SPAN = FrameSpan(4, 16)
VICTIM = 5
FINE = EncodeRule(preset="ultrafast", crf=10)
COSMETIC = [effect for effect in Effect if effect.is_cosmetic]
Change = Callable[[Array, Array], None]


def soft(bench: Bench, effect: Effect, shape: Shape = Shape.BOX) -> Bench:
    mask = MaskRule(effect=effect, shape=shape)
    mark = MarkedRegion(x=60, y=20, width=90, height=80)
    return bench.with_(policy=POLICY.model_copy(update={"mask": mask, "encode": FINE}), regions=(mark,))


def checked(bench: Bench, masked: Masked) -> CheckResult:
    with open(bench.clip.path, "rb") as file:
        job = bench.job(SPAN, file.fileno())
        return ChunkCheck(job, masked.chunk, masked.evidence, (), lambda _frame: None).run()


def rewrite(bench: Bench, masked: Masked, change: Change) -> None:
    """Write the chunk anew with one picture changed: ``change`` gets each of its planes and the source's."""
    shown = list(read_chunk(masked.chunk, media=bench.clip.media, threads=1))
    source: list[Picture] = list(pictures(bench.clip.path, probed(bench.clip.path), SPAN))
    for plane, there in zip(shown[VICTIM].writable_planes(), source[VICTIM].planes, strict=True):
        change(plane_array(plane), plane_array(there))
    with ChunkWriter(masked.chunk, media=bench.clip.media, encode=FINE, threads=1) as writer:
        for picture in shown:
            writer.write(picture)


def remember(masked: Masked, change: Callable[[Painted], Painted]) -> None:
    """Write the evidence anew with every painted region changed."""
    records = list(read_evidence(masked.evidence))
    with EvidenceWriter(masked.evidence) as evidence:
        for record in records:
            evidence.append(replace(record, painted=tuple(change(region) for region in record.painted)))


@pytest.mark.parametrize(("effect", "shape"), list(product(COSMETIC, Shape)))
def test_every_effect_survives_the_encoder_and_the_check(bench: Bench, effect: Effect, shape: Shape) -> None:
    """V-07: painted, written, read back and proven; on faces with an ellipse too."""
    done = soft(bench, effect, shape).mask(SPAN)
    cosmetic = [region for record in done.records for region in record.painted if region.source]
    assert len(cosmetic) >= len(SPAN)
    assert done.report.checks.masked_regions_checked >= len(cosmetic)


@pytest.mark.parametrize("effect", COSMETIC)
@pytest.mark.parametrize("layout", ["yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_every_layout_is_painted_and_proven(tmp_path: Path, layout: str, effect: Effect) -> None:
    """V-07, V-10: full and halved chroma, eight and ten bits."""
    (tmp_path / "work").mkdir()
    clip = moving_pattern(tmp_path / "clip.mp4", "-pix_fmt", layout, seconds="1")
    assert clip.media.pixel_format == layout
    done = soft(Bench(clip, tmp_path / "work"), effect).mask(SPAN)
    assert all(any(region.source for region in record.painted) for record in done.records)


@pytest.mark.parametrize("effect", COSMETIC)
def test_one_picture_of_the_source_instead_of_the_painted_one_is_found(bench: Bench, effect: Effect) -> None:
    """V-16: what shows through on a single frame fails the chunk."""
    used = soft(bench, effect)
    masked = used.mask(SPAN)

    def uncover(plane: Array, there: Array) -> None:
        plane[...] = there

    rewrite(used, masked, uncover)
    with pytest.raises(FidelityBroken) as broken:
        checked(used, masked)
    assert broken.value.reason == "fidelity_mask_unchanged"


def test_something_else_instead_of_the_painted_region_is_found(bench: Bench) -> None:
    """V-07: neither the source, nor what was painted, but further away from the source still."""
    used = soft(bench, Effect.BLUR)
    masked = used.mask(SPAN)

    def push_away(plane: Array, there: Array) -> None:
        shrink = SIZE[1] // plane.shape[0]
        inside = slice(22 // shrink, 98 // shrink), slice(62 // shrink, 148 // shrink)
        shown, source = plane[inside].astype(int), there[inside].astype(int)
        plane[inside] = np.clip(shown + np.where(shown >= source, 60, -60), 0, 255)

    rewrite(used, masked, push_away)
    with pytest.raises(FidelityBroken) as broken:
        checked(used, masked)
    assert broken.value.reason == "fidelity_mask_differs"


def test_a_rewritten_chunk_without_a_change_passes(bench: Bench) -> None:
    """V-10: what the other tests find is their change."""
    used = soft(bench, Effect.PIXELATE)
    masked = used.mask(SPAN)
    rewrite(used, masked, lambda _plane, _there: None)
    assert checked(used, masked).frames_checked == len(SPAN)


@pytest.mark.parametrize("forget", ["source", "shown", "both", "the change"])
def test_evidence_that_proves_no_change_is_not_enough(bench: Bench, forget: str) -> None:
    """V-16: the check cannot pass for want of evidence."""
    used = soft(bench, Effect.GRAY_BLUR)
    masked = used.mask(SPAN)

    def less(region: Painted) -> Painted:
        kept = {
            "source": (b"", region.shown),
            "shown": (region.source, b""),
            "both": (b"", b""),
            "the change": (region.shown, region.shown),
        }
        source, shown = kept[forget]
        return replace(region, source=source, shown=shown) if region.source else region

    remember(masked, less)
    with pytest.raises(FidelityBroken) as broken:
        checked(used, masked)
    assert broken.value.reason == "fidelity_mask_unproven"


def test_what_the_second_look_sees_in_a_blur_is_painted_solid(bench: Bench) -> None:
    """V-15: inside solid colour a finding is a mask's rim; inside a blur it is a face that shows."""
    there = (80.0, 40.0, 110.0, 70.0, 0.9)
    again = ResidualRule(role=Role.FACE, max_gap_seconds=Fraction(2, 5), long_side_pixels=192, score=0.5)
    used = soft(bench, Effect.BLUR).with_(first=ScriptedDetector({}, SIZE), second=SeesWhatIsNotBlack([there]))
    used = used.with_(policy=used.policy.model_copy(update={"residual": (again,)}))
    done = used.mask(SPAN)
    assert done.report.checks.remasked_rounds == 1
    assert done.report.cosmetic[:2] == ("marked", "face")
    for record in done.records:
        assert [bool(region.source) for region in record.painted] == [True, False]
        assert record.painted[1].rect.must_be_solid


class SeesWhatIsNotBlack(ScriptedDetector):
    """Sees its script on every picture where it is not black there."""

    def __init__(self, hits: list[tuple[float, float, float, float, float]]) -> None:
        super().__init__(lambda _frame: hits, SIZE, name="second")

    def _see(self, picture, frame):  # type: ignore[no-untyped-def]
        found = super()._see(picture, frame)
        return [hit for hit in found if picture[int(hit.y0) : int(hit.y1), int(hit.x0) : int(hit.x1)].mean() > 30]


@pytest.mark.parametrize("shape", Shape)
def test_regions_of_different_colours_that_overlap_are_each_proven(bench: Bench, shape: Shape) -> None:
    """V-07: where a later region lies over an earlier one, its colour counts."""
    white = ClassLook(colour_rgb=(255, 255, 255))
    used = soft(bench, Effect.SOLID).with_(first=ScriptedDetector(lambda _frame: [(40, 30, 110, 80, 0.9)], SIZE))
    mask = MaskRule(shape=shape, classes={"marked": white}, dilate_pixels=0)
    used = used.with_(policy=used.policy.model_copy(update={"mask": mask}))
    masked = used.mask(SPAN)
    assert [rect.label for rect in masked.painted[VICTIM]] == ["marked", "face"]
    shown = next(iter(read_chunk(masked.chunk, media=used.clip.media, threads=1)))
    luma = plane_array(shown.planes[0])
    assert luma[55, 140] > 200
    assert luma[55, 70] < 40

    def blacken(plane: Array, _there: Array) -> None:
        if plane.shape[0] == SIZE[1]:
            plane[60:100, 125:150] = 16

    rewrite(used, masked, blacken)
    with pytest.raises(FidelityBroken) as broken:
        checked(used, masked)
    assert broken.value.reason == "fidelity_mask_not_solid"
