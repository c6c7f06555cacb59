"""V-01, V-16, R-01: one file through the real children with the real models, or nothing at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.domain.policy import DetectRule, Policy, ResidualRule, Role
from opendrape.errors import BlobConflict, MediaRefused, ModelMissing, OpenDrapeError, StaleLease
from opendrape.media.scrub import survivors
from opendrape.settings import Settings
from opendrape_masker.chunk_child import Detectors
from opendrape_masker.composition import build_masker
from opendrape_masker.single import mask_file
from tests.integration.masker.workbench import AGAIN, FACE, POLICY, Clip
from tests.integration.media.footage import shown

pytestmark = pytest.mark.timeout(120)

READS = Policy(
    name="reads",
    summary="for tests",
    detect=(FACE, FACE.model_copy(update={"role": Role.TEXT, "long_side_pixels": (320,), "grow": 0.1})),
    residual=(AGAIN, ResidualRule(role=Role.TEXT, max_gap_seconds=Fraction(1), long_side_pixels=320, score=0.6)),
    encode=POLICY.encode,
    chunk_seconds=Fraction(1),
)


def settings_with(models: Path, tmp_path: Path) -> Settings:
    """A state folder whose models are those given."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "models").symlink_to(models)
    return Settings(state_dir=state, destination=tmp_path / "out")


def assert_nothing_left(settings: Settings, output: Path) -> None:
    assert not output.exists()
    assert not settings.scratch_dir.exists() or not list(settings.scratch_dir.iterdir())


@pytest.mark.models
def test_one_file_through_the_real_children(clip: Clip, models_dir: Path, tmp_path: Path) -> None:
    """V-01, V-04, V-10: the test pattern's clock is text; every frame and time stays."""
    settings, output = settings_with(models_dir, tmp_path), tmp_path / "out.mp4"
    told: list[float] = []
    report = mask_file(clip.path, output, policy=READS, settings=settings, on_progress=told.append)
    assert report.frames == 75
    assert report.masked_frames == 75
    assert report.detections["text"] > 0
    assert report.checks.residual_findings == ()
    assert shown(output).seconds == shown(clip.path).seconds
    assert survivors(output) == ()
    assert told[-1] == 1.0
    assert min(told) < 0.3
    assert not list(settings.scratch_dir.iterdir())


@pytest.mark.models
def test_an_output_that_is_there_stays_as_it_is(clip: Clip, models_dir: Path, tmp_path: Path) -> None:
    """D-02: a file of the same name is never written over."""
    settings, output = settings_with(models_dir, tmp_path), tmp_path / "out.mp4"
    output.write_bytes(b"somebody's work")
    with pytest.raises(BlobConflict):
        mask_file(clip.path, output, policy=POLICY, settings=settings)
    assert output.read_bytes() == b"somebody's work"


def test_without_models_nothing_is_written(clip: Clip, tmp_path: Path) -> None:
    """V-16: a policy that cannot be kept stops the child before it decodes."""
    empty = tmp_path / "none"
    empty.mkdir()
    settings, output = settings_with(empty, tmp_path), tmp_path / "out.mp4"
    with pytest.raises(ModelMissing):
        mask_file(clip.path, output, policy=POLICY, settings=settings)
    assert_nothing_left(settings, output)


def test_a_level_without_models_needs_none(clip: Clip, tmp_path: Path) -> None:
    """V-01: minimal."""
    empty = tmp_path / "none"
    empty.mkdir()
    minimal = POLICY.model_copy(update={"detect": ()})
    report = mask_file(clip.path, tmp_path / "out.mp4", policy=minimal, settings=settings_with(empty, tmp_path))
    assert report.masked_frames == 0


@pytest.mark.models
def test_what_progress_raises_ends_the_child(clip: Clip, models_dir: Path, tmp_path: Path) -> None:
    """R-02: a lost lease leaves nothing."""
    settings, output = settings_with(models_dir, tmp_path), tmp_path / "out.mp4"

    def lost(_share: float) -> None:
        raise StaleLease

    with pytest.raises(StaleLease):
        mask_file(clip.path, output, policy=POLICY, settings=settings, on_progress=lost)
    assert_nothing_left(settings, output)


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """I-05: by name of the reason, not of the file."""
    with pytest.raises(MediaRefused) as refused:
        mask_file(tmp_path / "no.mp4", tmp_path / "out.mp4", policy=POLICY, settings=Settings(state_dir=tmp_path))
    assert refused.value.reason == "source_unreadable"
    assert "no.mp4" not in str(refused.value)


def test_a_source_that_breaks_off_leaves_nothing(clip: Clip, tmp_path: Path) -> None:
    """V-16: damage is found before or while masking."""
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.path.read_bytes()[:-5000])
    settings = Settings(state_dir=tmp_path / "state")
    with pytest.raises(OpenDrapeError):
        mask_file(cut, tmp_path / "out.mp4", policy=POLICY, settings=settings)
    assert_nothing_left(settings, tmp_path / "out.mp4")


@pytest.mark.models
def test_two_rules_of_one_role_see_down_to_their_own_weak_scores(models_dir: Path, tmp_path: Path) -> None:
    """V-03: a lower weak score is not lost behind another rule's higher one."""
    settings = settings_with(models_dir, tmp_path)
    order = type("Order", (), {})()
    order.models_dir, order.model_repository = settings.models_dir, settings.model_repository
    order.threads, order.inference_seconds, order.policy, order.remote = 1, 60.0, POLICY, None
    detectors = Detectors(order)

    def floor(rule: DetectRule | ResidualRule) -> float:
        return float(detectors(rule).floor_score)  # type: ignore[attr-defined]

    deaf, keen = FACE.model_copy(update={"weak_score": 0.4}), FACE.model_copy(update={"weak_score": 0.1})
    assert [floor(deaf), floor(keen), floor(AGAIN), floor(deaf)] == [0.4, 0.1, 0.5, 0.4]
    assert detectors(deaf) is detectors(deaf)


def test_there_is_one_worker_per_slot(tmp_path: Path) -> None:
    """R-03: each under its own name."""
    changed = Settings(state_dir=tmp_path / "s", destination=tmp_path / "o")
    changed = changed.model_copy(update={"masker": changed.masker.model_copy(update={"slots": 3})})
    container = bootstrap(changed)
    with container.resources:
        assert len(build_masker(container)) == 3
        assert not build_masker(container)[0].run_once()
