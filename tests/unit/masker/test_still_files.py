"""V-10, V-13, V-14: a still picture goes through decoding, painting and writing exactly, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opendrape.domain.mask_rule import Effect, MaskRule
from opendrape.domain.policy import DetectRule, Policy, ResidualRule, Role
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken, MediaRefused, ResidualFound, ScrubIncomplete
from opendrape.media.limits import MediaLimits
from opendrape.media.stills import jpeg, png
from opendrape.media.stills.facts import StillFacts
from opendrape.media.stills.probing import ONE_FRAME, media_of
from opendrape.media.stills.reading import facts_of, survivors
from opendrape_masker.detectors import Detector
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.working import Working
from opendrape_masker.stills.checking import LEAST_DB, Meant, prove_written, written_picture
from opendrape_masker.stills.decoding import decoded
from opendrape_masker.stills.encoding import encoded
from opendrape_masker.stills.looking import policy_for_stills
from opendrape_masker.stills.masking import StillMasker
from opendrape_masker.stills.photograph import Photograph, covered_by
from tests.fakes.detectors import Hit, ScriptedDetector, ScriptedReader
from tests.synthetic.picture_files import coded, jpeg_with, png_chunk, png_with, profile, scene, tiff_with, webp_with

WORDS = b"Zyxwvutsen Kvalheim 19570418"
LIMITS = MediaLimits()
_LOSSLESS = 101

FILES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: jpeg_with(coded(".jpg", scene()), words=WORDS),
    "grey jpeg": lambda: jpeg_with(coded(".jpg", scene(channels=1)), words=WORDS),
    "jpeg with a profile": lambda: jpeg.with_profile(coded(".jpg", scene()), profile(WORDS)),
    "png": lambda: png_with(coded(".png", scene()), words=WORDS),
    "grey png": lambda: png_with(coded(".png", scene(channels=1)), words=WORDS),
    "deep png": lambda: png_with(coded(".png", scene(dtype=np.uint16)), words=WORDS),
    "deep grey png": lambda: coded(".png", scene(channels=1, dtype=np.uint16)),
    "png with a profile": lambda: png.with_colour(coded(".png", scene()), (), profile(WORDS)),
    "webp": lambda: webp_with(coded(".webp", scene(), 64, 90), size=(128, 96), words=WORDS),
    "lossless webp": lambda: webp_with(coded(".webp", scene(), 64, _LOSSLESS), size=(128, 96), words=WORDS),
    "tiff": lambda: tiff_with(scene(), words=WORDS),
    "grey tiff": lambda: tiff_with(scene(channels=1), words=WORDS),
    "deep tiff": lambda: tiff_with(scene(dtype=np.uint16), words=WORDS),
    "png with an alpha channel that hides nothing": lambda: coded(".png", _with_alpha(255)),
}


def _with_alpha(value: int) -> Any:
    return np.dstack([scene(), np.full((96, 128), value, np.uint8)])


class Scripted:
    """Detectors of a test, by rule."""

    def __init__(self, first: list[Hit] = [], second: list[Hit] = [], size: tuple[int, int] = (128, 96)) -> None:  # noqa: B006
        self.first = ScriptedDetector({0: first}, size)
        self.second = ScriptedDetector({0: second}, size, name="other")

    def __call__(self, rule: DetectRule | ResidualRule) -> Detector:
        return self.first if isinstance(rule, DetectRule) else self.second

    def reader(self) -> Any:
        return ScriptedReader("words")


FACE = DetectRule(role=Role.FACE, max_gap_seconds="1", long_side_pixels=(64,), strong_score=0.6, weak_score=0.2)  # type: ignore[arg-type]
AGAIN = ResidualRule(role=Role.FACE, max_gap_seconds="1", long_side_pixels=64, score=0.5)  # type: ignore[arg-type]
POLICY = Policy(name="bench", summary="for tests", detect=(FACE,), residual=(AGAIN,), mask=MaskRule(dilate_pixels=0))
REGION = MarkedRegion(x=32, y=24, width=40, height=32)


def masker(
    data: bytes,
    path: Path,
    *,
    policy: Policy = POLICY,
    detectors: Scripted | None = None,
    regions: tuple[MarkedRegion, ...] = (REGION,),
) -> StillMasker:
    source = facts_of(data, LIMITS)
    media = media_of(source)
    worked = policy_for_stills(policy, media)
    job = Job(-1, media, ONE_FRAME, FrameSpan(0, 1), worked, regions, LIMITS, 1, 1 << 30)
    working = Working.of(job, detectors or Scripted(), (), lambda: None)  # type: ignore[arg-type]
    return StillMasker(working, policy, source, decoded(source), path, lambda _share: None)


@pytest.mark.parametrize("name", FILES)
def test_every_family_is_masked_and_holds_nothing_but_the_picture(name: str, tmp_path: Path) -> None:
    """V-10, V-14: the same kind; black inside the mask, the same (or near) outside; no words left."""
    data, path = FILES[name](), tmp_path / "masked"
    before = decoded(facts_of(data, LIMITS))
    report = masker(data, path).run()
    file = path.read_bytes()
    facts, source = facts_of(file, LIMITS), facts_of(data, LIMITS)
    assert (facts.kind, facts.channels, facts.bit_depth) == (source.kind, source.channels, source.bit_depth)
    assert (facts.lossless, facts.sampling) == (source.lossless, source.sampling)
    assert (facts.colour, facts.profile is None) == (source.colour, source.profile is None)
    assert survivors(file, facts) == ()
    assert not any(word in file for word in (*WORDS.split(), b"42.123456", b"Exif", b"GPS", b"Photoshop"))
    after = decoded(facts)
    inside = np.zeros(after.shape[:2], bool)
    inside[24:56, 32:72] = True
    assert after.shape == before.shape
    if facts.lossless:
        assert not after[inside].any()
        np.testing.assert_array_equal(after[~inside], before[~inside])
        assert report.checks.worst_psnr_db is None
    else:
        assert np.median(after[inside]) <= 1
        assert float(after[inside].max()) < 40
        assert (report.checks.worst_psnr_db or 99) >= LEAST_DB
    assert (report.frames, report.masked_frames, report.checks.masked_regions_checked) == (1, 1, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("family", ["png", "tiff", "webp", "jpeg"])
def test_a_picture_that_is_stored_turned_comes_out_upright(orientation: int, family: str) -> None:
    """V-13: EXIF's orientation is applied, and the output has none."""
    upright = scene()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    stored = np.ascontiguousarray(stored)
    size = (stored.shape[1], stored.shape[0])
    data = {
        "png": lambda: png_with(coded(".png", stored), words=WORDS, orientation=orientation),
        "tiff": lambda: tiff_with(stored, words=WORDS, orientation=orientation),
        "webp": lambda: webp_with(coded(".webp", stored, 64, 101), size=size, words=WORDS, orientation=orientation),
        "jpeg": lambda: jpeg_with(coded(".jpg", stored, 1, 100), words=WORDS, orientation=orientation),
    }[family]()
    source = facts_of(data, LIMITS)
    samples = decoded(source)
    np.testing.assert_allclose(samples.astype(int), upright.astype(int), atol=0 if family != "jpeg" else 12)
    written = facts_of(encoded(samples, source, quality=95), LIMITS)
    assert (written.orientation, written.width, written.height) == (1, 128, 96)


@pytest.mark.parametrize("value", [0, 128, 254])
def test_a_picture_that_is_transparent_somewhere_is_refused(value: int) -> None:
    """V-13: a viewer would show something else than was looked at."""
    samples = _with_alpha(255)
    samples[5, 5, 3] = value
    with pytest.raises(MediaRefused) as refused:
        decoded(facts_of(coded(".png", samples), LIMITS))
    assert refused.value.reason == "image_transparency"


def test_a_file_whose_picture_is_another_than_it_declares_is_refused() -> None:
    """V-16: the decoder's word against the header's."""
    facts = facts_of(coded(".png", scene()), LIMITS)
    for lie in ({"width": 127}, {"bit_depth": 16}, {"channels": 1}, {"essential": b"\x89PNG"}):
        with pytest.raises(MediaRefused):
            decoded(replace(facts, **lie))  # type: ignore[arg-type]


def _meant() -> tuple[StillFacts, Meant, Painter]:
    source = facts_of(coded(".png", scene()), LIMITS)
    samples = decoded(source)
    painter = Painter.of(POLICY.mask, media_of(source))
    photograph = Photograph.of(samples)
    rectangles = painter.rectangles([])
    painted = painter.paint(photograph, rectangles)
    covered = covered_by(painted, painter)
    return source, Meant(photograph.over(samples, covered), covered, painted), painter


def test_a_written_file_with_anything_else_in_it_is_not_delivered() -> None:
    """V-14, V-16: read back, not believed."""
    source, meant, _ = _meant()
    file = encoded(meant.samples, source, quality=95)
    written_picture(file, source, meant, LIMITS)
    for spoilt in (file + b"x", file[:33] + png_chunk(b"tEXt", b"Author\0x") + file[33:]):
        with pytest.raises(ScrubIncomplete):
            written_picture(spoilt, source, meant, LIMITS)
    with pytest.raises(FidelityBroken):
        written_picture(encoded(meant.samples[:-1], source, quality=95), source, meant, LIMITS)
    with pytest.raises(FidelityBroken):
        written_picture(coded(".png", scene(channels=1)), source, meant, LIMITS)


def test_one_changed_pixel_of_a_lossless_picture_is_noticed() -> None:
    """V-10."""
    source, meant, painter = _meant()
    assert prove_written(meant.samples, source, meant, painter) is None
    changed = meant.samples.copy()
    changed[50, 50, 1] ^= 1
    with pytest.raises(FidelityBroken):
        prove_written(changed, source, meant, painter)
    noisy = np.clip(meant.samples.astype(int) + np.random.default_rng(1).integers(-20, 21, meant.samples.shape), 0, 255)
    with pytest.raises(FidelityBroken):
        prove_written(noisy.astype(np.uint8), replace(source, lossless=False), meant, painter)


def test_a_mask_that_is_not_in_the_written_picture_is_noticed() -> None:
    """V-16: also in a lossy family, where pixels may differ a little."""
    source = replace(facts_of(coded(".png", scene()), LIMITS), lossless=False)
    samples = decoded(source)
    painter = Painter.of(POLICY.mask, media_of(source))
    photograph = Photograph.of(samples)
    seen = masker(coded(".png", scene()), Path("unused"))
    seen._painter, seen._sheet = painter, ()
    painted = painter.paint(photograph, seen._look().rectangles)
    covered = covered_by(painted, painter)
    meant = Meant(photograph.over(samples, covered), covered, painted)
    prove_written(meant.samples, source, meant, painter)
    with pytest.raises(FidelityBroken):
        prove_written(samples, source, meant, painter)


def test_a_sighting_counts_from_two_thirds_of_a_videos_score(tmp_path: Path) -> None:
    """V-13: there is no other frame in which it could be seen better."""
    hits = [(40.0, 20.0, 60.0, 44.0, 0.41), (90.0, 60.0, 110.0, 80.0, 0.39)]
    report = masker(coded(".png", scene()), tmp_path / "masked", detectors=Scripted(hits), regions=()).run()
    assert report.tracks == {"face": 1}
    after = decoded(facts_of((tmp_path / "masked").read_bytes(), LIMITS))
    assert not after[20:44, 40:60].any()
    assert after[60:80, 90:110].any(axis=-1).all()


def test_every_rule_also_looks_at_a_larger_size(tmp_path: Path) -> None:
    """V-13: 64 as the policy says, and up to twice as large."""
    detectors = Scripted()
    report = masker(coded(".png", scene()), tmp_path / "masked", detectors=detectors).run()
    assert detectors.first.asked == [0, 0]
    assert [use.long_side_pixels for use in report.models] == [(64, 128), (64, 128)]


def test_what_the_second_look_finds_is_masked_and_looked_at_again(tmp_path: Path) -> None:
    """V-15: a finding is painted over, a quarter larger, and the file is written anew."""
    found: list[Hit] = [(80.0, 40.0, 100.0, 64.0, 0.9)]
    report = masker(coded(".png", scene()), tmp_path / "masked", detectors=Scripted(second=found)).run()
    assert report.checks.remasked_rounds == 1
    assert not decoded(facts_of((tmp_path / "masked").read_bytes(), LIMITS))[40:64, 80:100].any()


def test_a_finding_that_quarantines_leaves_nothing(tmp_path: Path) -> None:
    """V-15, V-16: where the policy says that a finding is for a person."""
    strict = POLICY.model_copy(update={"residual": (AGAIN.model_copy(update={"on_finding": "quarantine"}),)})
    found = Scripted(second=[(80.0, 40.0, 100.0, 64.0, 0.9)])
    with pytest.raises(ResidualFound):
        masker(coded(".png", scene()), tmp_path / "masked", policy=strict, detectors=found).run()
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_a_detector_leaves_nothing(tmp_path: Path) -> None:
    """V-16: whatever is raised, wherever."""

    def fail(_frame: int) -> list[Hit]:
        raise RuntimeError("injected")

    for which in ("first", "second"):
        detectors = Scripted()
        getattr(detectors, which).script = fail
        with pytest.raises(RuntimeError):
            masker(coded(".png", scene()), tmp_path / "masked", detectors=detectors).run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("effect", [Effect.PIXELATE, Effect.BLUR, Effect.GRAY_BLUR, Effect.NORMALISED_GRAY_BLUR])
@pytest.mark.parametrize("name", ["jpeg", "png", "grey png", "deep tiff", "webp"])
def test_cosmetic_effects_are_painted_as_on_a_video(effect: Effect, name: str, tmp_path: Path) -> None:
    """V-07: and nothing beside the region changes."""
    policy = POLICY.model_copy(update={"mask": MaskRule(effect=effect, dilate_pixels=0), "residual": ()})
    data = FILES[name]()
    before = decoded(facts_of(data, LIMITS))
    report = masker(data, tmp_path / "masked", policy=policy).run()
    after = decoded(facts_of((tmp_path / "masked").read_bytes(), LIMITS))
    assert report.cosmetic
    assert np.abs(after[24:56, 32:72].astype(int) - before[24:56, 32:72].astype(int)).mean() > 8
    if facts_of(data, LIMITS).lossless:
        np.testing.assert_array_equal(after[:24], before[:24])
        np.testing.assert_array_equal(after[:, 72:], before[:, 72:])


def test_a_coloured_mask_has_that_colour(tmp_path: Path) -> None:
    """V-07: to one level."""
    policy = POLICY.model_copy(update={"mask": MaskRule(colour_rgb=(200, 30, 90), dilate_pixels=0)})
    masker(coded(".png", scene()), tmp_path / "masked", policy=policy).run()
    after = decoded(facts_of((tmp_path / "masked").read_bytes(), LIMITS))
    assert np.abs(after[30, 40].astype(int) - (90, 30, 200)).max() <= 1
