"""V-10: the check of the written file finds every way in which it can differ from what was meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from opendrape.domain.policy import EncodeRule
from opendrape.domain.regions import CheckResult
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken, MediaRefused
from opendrape.media.reader import Picture
from opendrape.media.writer import ChunkWriter, read_chunk
from opendrape_masker.engine.checking import ChunkCheck
from opendrape_masker.engine.evidence import Record, read_evidence
from opendrape_masker.engine.paint import PixelRect
from opendrape_masker.engine.pictures import plane_array
from tests.integration.masker.workbench import POLICY, Bench, Masked, moving_pattern
from tests.integration.media.footage import pictures, probed

SPAN = FrameSpan(4, 16)
VICTIM = 5
FINE = EncodeRule(preset="ultrafast", crf=10)

Change = Callable[[list[Picture]], None]


@pytest.fixture
def masked(bench: Bench) -> Masked:
    """A chunk of twelve frames with a mask on each."""
    done = bench.mask(SPAN)
    assert all(done.painted.values())
    return done


def checked(bench: Bench, masked: Masked, span: FrameSpan = SPAN) -> CheckResult:
    """Hold the chunk in the folder against the evidence in it."""
    with open(bench.clip.path, "rb") as file:
        job = bench.job(span, file.fileno())
        return ChunkCheck(job, masked.chunk, masked.evidence, (), lambda _frame: None).run()


def rewrite(bench: Bench, masked: Masked, change: Change) -> None:
    """Decode the chunk, let ``change`` have the pictures, write it anew, nearly without loss."""
    shown = list(read_chunk(masked.chunk, media=bench.clip.media, threads=1))
    change(shown)
    with ChunkWriter(masked.chunk, media=bench.clip.media, encode=FINE, threads=1) as writer:
        for picture in shown:
            writer.write(picture)


def drop(shown: list[Picture]) -> None:
    del shown[VICTIM]


def drop_first(shown: list[Picture]) -> None:
    del shown[0]


def drop_last(shown: list[Picture]) -> None:
    del shown[-1]


def double(shown: list[Picture]) -> None:
    shown.insert(VICTIM + 1, Picture(shown[VICTIM].frame, index=0, tick=shown[VICTIM].tick + 1))


def add_at_the_end(shown: list[Picture]) -> None:
    shown.append(Picture(shown[-1].frame, index=0, tick=shown[-1].tick + 512))


def move_in_time(shown: list[Picture]) -> None:
    shown[VICTIM].tick += 1


def move_all(shown: list[Picture]) -> None:
    for picture in shown:
        picture.tick += 512


def swap_two(shown: list[Picture]) -> None:
    early, late = shown[2], shown[9]
    early.tick, late.tick = late.tick, early.tick
    shown[2], shown[9] = late, early


def brighten_outside(shown: list[Picture]) -> None:
    luma = plane_array(shown[VICTIM].writable_planes()[0])
    luma[100:, :] = np.minimum(luma[100:, :].astype(int) + 40, 235).astype(np.uint8)


def discolour_outside(shown: list[Picture]) -> None:
    plane_array(shown[VICTIM].writable_planes()[2])[40:, :] = 230


def blot_outside(shown: list[Picture]) -> None:
    plane_array(shown[VICTIM].writable_planes()[0])[90:110, 150:180] = 16


def show_through(shown: list[Picture]) -> None:
    """Stripes under the mask, as if every other row had stayed."""
    for plane in shown[VICTIM].writable_planes()[:1]:
        plane_array(plane)[::2, :] = 200


TAMPERED = [
    (drop, "fidelity_timestamps"),
    (drop_first, "fidelity_timestamps"),
    (drop_last, "fidelity_frame_count"),
    (double, "fidelity_timestamps"),
    (add_at_the_end, "fidelity_frame_count"),
    (move_in_time, "fidelity_timestamps"),
    (move_all, "fidelity_timestamps"),
    (swap_two, "fidelity_pixels"),
    (brighten_outside, "fidelity_pixels"),
    (discolour_outside, "fidelity_pixels"),
    (blot_outside, "fidelity_pixels"),
    (show_through, "fidelity_mask_not_solid"),
]


def test_a_chunk_written_anew_without_a_change_passes(bench: Bench, masked: Masked) -> None:
    """V-10: what the other tests find is their change, not the writing."""
    rewrite(bench, masked, lambda _shown: None)
    result = checked(bench, masked)
    assert result.frames_checked == 12
    assert result.masked_regions_checked >= 12
    assert result.worst_psnr_db is not None
    assert result.worst_psnr_db > 30


@pytest.mark.parametrize(("change", "reason"), TAMPERED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_changed_chunk_is_found(bench: Bench, masked: Masked, change: Change, reason: str) -> None:
    """V-10: frames lost, doubled, moved or swapped, and pixels changed outside the masks."""
    rewrite(bench, masked, change)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == reason


@pytest.mark.parametrize("planes", [(0, 1, 2), (0,), (1,), (2,)])
def test_one_picture_of_the_source_instead_of_the_masked_one_is_found(
    bench: Bench, masked: Masked, planes: tuple[int, ...]
) -> None:
    """V-07, V-16: what shows through one mask on one frame is found, on each plane by itself."""
    found = probed(bench.clip.path)

    def uncover(shown: list[Picture]) -> None:
        source = list(pictures(bench.clip.path, found, SPAN))[VICTIM]
        whole = shown[VICTIM].writable_planes()
        for number in planes:
            plane_array(whole[number])[:] = plane_array(source.planes[number])

    rewrite(bench, masked, uncover)
    with pytest.raises(FidelityBroken, match="not solid") as broken:
        checked(bench, masked)
    assert broken.value.reason == "fidelity_mask_not_solid"


def test_a_mask_that_hides_only_most_of_its_region_is_found(bench: Bench, masked: Masked) -> None:
    """V-07: a fifth of one region that shows through is found."""
    rect: PixelRect = masked.records[VICTIM].rectangles[0]

    def nibble(shown: list[Picture]) -> None:
        edge = rect.x0 + (rect.x1 - rect.x0) // 5
        plane_array(shown[VICTIM].writable_planes()[0])[rect.y0 : rect.y1, rect.x0 : edge] = 180

    rewrite(bench, masked, nibble)
    with pytest.raises(FidelityBroken, match="not solid"):
        checked(bench, masked)


@pytest.mark.parametrize("shift", [30, 50])
def test_a_mask_of_another_colour_is_found(bench: Bench, masked: Masked, shift: int) -> None:
    """V-07: a region that is even but not the colour that was meant was not painted."""

    def lighten(shown: list[Picture]) -> None:
        luma = plane_array(shown[VICTIM].writable_planes()[0])
        for rect in masked.records[VICTIM].rectangles:
            luma[rect.y0 : rect.y1, rect.x0 : rect.x1] = 16 + shift

    rewrite(bench, masked, lighten)
    with pytest.raises(FidelityBroken, match="not solid"):
        checked(bench, masked)


def test_a_coarse_encoding_is_refused(bench: Bench) -> None:
    """V-10: pixels outside masks keep the quality that the policy promises."""
    coarse = POLICY.model_copy(update={"encode": EncodeRule(preset="ultrafast", crf=40, minimum_psnr_db=45.0)})
    with pytest.raises(FidelityBroken) as broken:
        bench.with_(policy=coarse).mask(SPAN)
    assert broken.value.reason == "fidelity_pixels"


def _ends(records: list[Record]) -> Iterator[tuple[int, str]]:
    """Where to cut the evidence: within and between the parts of the third record, and at its start and end."""
    start = sum(_size(record) for record in records[:2])
    yield 0, "fidelity_frame_count"
    yield 10, "evidence_damaged"
    yield start, "fidelity_frame_count"
    yield start + 24 + 5, "evidence_damaged"
    yield start + 24 + _rectangles_size(records[2]) - 2, "evidence_damaged"
    yield start + 24 + _rectangles_size(records[2]) + 3, "evidence_damaged"
    yield sum(_size(record) for record in records[:-1]), "fidelity_frame_count"
    yield sum(_size(record) for record in records) - 1, "evidence_damaged"


def _size(record: Record) -> int:
    return 24 + _rectangles_size(record) + len(record.samples)


def _rectangles_size(record: Record) -> int:
    return sum(26 + len(region.rect.label) + len(region.source) + len(region.shown) for region in record.painted)


def test_evidence_that_ends_early_is_found_wherever_it_ends(bench: Bench, masked: Masked) -> None:
    """V-10: the check cannot pass for want of evidence."""
    content = masked.evidence.read_bytes()
    records = masked.records
    assert sum(_size(record) for record in records) == len(content)
    for end, reason in _ends(records):
        masked.evidence.write_bytes(content[:end])
        with pytest.raises(FidelityBroken) as broken:
            checked(bench, masked)
        assert broken.value.reason == reason, end


def test_a_chunk_and_its_evidence_that_both_end_early_are_found(bench: Bench, masked: Masked) -> None:
    """V-10: the plan says how many frames there are, not the evidence."""
    records = masked.records
    masked.evidence.write_bytes(masked.evidence.read_bytes()[: -_size(records[-1])])
    rewrite(bench, masked, drop_last)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == "fidelity_frame_count"


def test_evidence_of_another_chunk_is_found(bench: Bench, masked: Masked) -> None:
    """V-10: evidence tells which frame it is about."""
    os.replace(bench.mask(FrameSpan(24, 36)).evidence, masked.evidence)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == "fidelity_timestamps"


def test_another_chunk_of_the_video_is_found(bench: Bench, masked: Masked) -> None:
    """V-10: of the same length, at another place; also when its own evidence comes along."""
    other = bench.mask(FrameSpan(24, 36))
    os.replace(other.chunk, masked.chunk)
    for _ in range(2):
        with pytest.raises(FidelityBroken) as broken:
            checked(bench, masked)
        assert broken.value.reason == "fidelity_timestamps"
        if other.evidence.exists():
            os.replace(other.evidence, masked.evidence)


def test_the_same_chunk_of_another_video_is_found(bench: Bench, masked: Masked, tmp_path: Path) -> None:
    """V-10: same times, other pictures."""
    (tmp_path / "more").mkdir()
    other = Bench(moving_pattern(tmp_path / "other.mp4", "-vf", "hflip,negate"), tmp_path / "more").mask(SPAN)
    os.replace(other.chunk, masked.chunk)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == "fidelity_pixels"


def test_a_chunk_of_another_size_is_found(bench: Bench, masked: Masked, tmp_path: Path) -> None:
    """V-10: geometry."""
    (tmp_path / "more").mkdir()
    small = Bench(moving_pattern(tmp_path / "small.mp4", "-vf", "scale=96:64"), tmp_path / "more").mask(SPAN)
    os.replace(small.chunk, masked.chunk)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == "chunk_differs"
    os.replace(bench.mask(SPAN).chunk, masked.chunk)
    os.replace(small.evidence, masked.evidence)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == "fidelity_geometry"


def test_a_chunk_that_is_no_chunk_is_refused(bench: Bench, masked: Masked) -> None:
    """V-10, V-16: nothing readable is nothing published."""
    masked.chunk.write_bytes(b"not a video" * 100)
    with pytest.raises(MediaRefused):
        checked(bench, masked)


def test_every_frame_is_checked_and_reported(bench: Bench, masked: Masked) -> None:
    """V-10: the report says how many."""
    assert [record.frame for record in read_evidence(masked.evidence)] == list(SPAN)
    assert masked.report.checks.frames_checked == len(SPAN)
    assert masked.report.checks.masked_regions_checked == sum(map(len, masked.painted.values()))


@pytest.mark.parametrize("field", [0, 1], ids=["frame", "tick"])
def test_evidence_of_another_frame_or_time_is_not_believed(bench: Bench, masked: Masked, field: int) -> None:
    """V-10: what was remembered must be of this very frame, too."""
    content = bytearray(masked.evidence.read_bytes())
    content[8 * field] ^= 1
    masked.evidence.write_bytes(content)
    with pytest.raises(FidelityBroken) as broken:
        checked(bench, masked)
    assert broken.value.reason == "fidelity_timestamps"
