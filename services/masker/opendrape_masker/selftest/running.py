"""How one self-test runs: insert, mask with the real engine, judge, grep; every foreign pixel only in children."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opendrape.domain.mask_rule import Effect
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MaskReport
from opendrape.errors import MediaRefused, ResidualFound
from opendrape.media.child import run_child
from opendrape.media.probing import probe_in_child
from opendrape.settings import Settings
from opendrape_masker.children import child_limits, limits_of
from opendrape_masker.selftest.orders import ClipSource, InsertOrder, JudgeOrder
from opendrape_masker.selftest.verdicts import ClipVerdict, EventVerdict
from opendrape_masker.single import mask_file
from opendrape_masker.synthetic.canaries import grep_bytes
from opendrape_masker.synthetic.suite import SuiteTruth

OnProgress = Callable[[float], None]
_INSERTED: Final = 0.2
_MASKED: Final = 0.85


@dataclass(frozen=True)
class Trial:
    """One video of a self-test: ``clip`` None stands for generated tissue of ``width`` x ``height`` pixels."""

    number: int
    clip: Path | None
    seed: int
    events: int
    seconds: float
    width: int = 1280
    height: int = 720
    photographs: Path | None = None

    @property
    def label(self) -> str:
        """A number, never a file's name."""
        return str(self.number) if self.clip else "generated"


@dataclass(frozen=True)
class _Bench:
    """Where one trial's files lie and by which settings it runs."""

    folder: Path
    settings: Settings
    policy: Policy

    def file(self, trial: Trial, name: str) -> Path:
        return self.folder / f"selftest-{trial.number}-{name}"


@dataclass(frozen=True)
class _Inserted:
    """What the insertion made."""

    frames: int
    width: int
    height: int


def run_trial(
    trial: Trial, *, policy: Policy, settings: Settings, folder: Path, on_progress: OnProgress = lambda _share: None
) -> ClipVerdict:
    """Insert into ``folder``, mask there, judge. What the engine itself refuses to hand out is a verdict, no error.

    The mask's effect is replaced by a solid one of the same shape: whether a pixel was masked can then be seen for
    certain. How strong the other effects are is proven elsewhere (V-07).
    """
    bench = _Bench(folder.absolute(), settings, unheld(solid(policy)))
    made = _insert(bench, trial, lambda share: on_progress(share * _INSERTED))
    masked = bench.file(trial, "masked.mp4")
    try:
        report = mask_file(
            bench.file(trial, "source.mp4"),
            masked,
            policy=bench.policy,
            settings=settings,
            on_progress=lambda share: on_progress(_INSERTED + share * (_MASKED - _INSERTED)),
        )
    except ResidualFound as found:
        return _quarantined(trial, made, found.reason)
    judged = _judge(bench, trial, lambda share: on_progress(_MASKED + share * (1 - _MASKED)))
    return _verdict(bench, trial, made, report, judged)


def make_video(trial: Trial, *, policy: Policy, settings: Settings, folder: Path) -> tuple[Path, Path]:
    """Only insert: the video with the identities and its truth, in ``folder``."""
    bench = _Bench(folder.absolute(), settings, policy)
    _insert(bench, trial, lambda _share: None)
    return bench.file(trial, "source.mp4"), bench.file(trial, "truth.json")


def solid(policy: Policy) -> Policy:
    """The policy with every region filled in one colour instead of blurred; shapes and sizes stay."""
    classes = {
        label: look.model_copy(update={"effect": None, "colour_rgb": None})
        for label, look in policy.mask.classes.items()
    }
    mask = policy.mask.model_copy(update={"effect": Effect.SOLID, "classes": classes})
    return policy.model_copy(update={"mask": mask})


def unheld(policy: Policy) -> Policy:
    """The policy without a person who decides: the judge sees what was masked, and nothing of a test is delivered."""
    return policy.model_copy(update={"out_of_body": policy.out_of_body.model_copy(update={"review": "none"})})


def _insert(bench: _Bench, trial: Trial, on_progress: OnProgress) -> _Inserted:
    with ExitStack() as open_files:
        clip = open_files.enter_context(_probed(bench, trial)) if trial.clip else None
        order = InsertOrder(
            clip=clip,
            width=trial.width,
            height=trial.height,
            seconds=trial.seconds,
            seed=trial.seed,
            events=trial.events,
            photographs=trial.photographs.absolute() if trial.photographs else None,
            limits=limits_of(bench.settings),
            threads=bench.settings.masker_threads,
            video=bench.file(trial, "source.mp4"),
            truth=bench.file(trial, "truth.json"),
        )
        readable = tuple(path for path in (clip.timeline if clip else None, order.photographs) if path)
        descriptors = (clip.descriptor,) if clip else ()
        answer = _child(bench, "insert_child", order.model_dump(mode="json"), descriptors, readable, on_progress)
    return _Inserted(int(answer["frames"]), int(answer["width"]), int(answer["height"]))


@contextmanager
def _probed(bench: _Bench, trial: Trial) -> Iterator[ClipSource]:
    assert trial.clip is not None
    with _opened(trial.clip) as descriptor:
        probed = probe_in_child(descriptor, bench.settings)
        timeline = bench.file(trial, "timeline.bin")
        timeline.write_bytes(probed.timeline.to_bytes())
        yield ClipSource(descriptor=descriptor, media=probed.media, timeline=timeline)
        timeline.unlink()


def _judge(bench: _Bench, trial: Trial, on_progress: OnProgress) -> dict[str, Any]:
    truth = bench.file(trial, "truth.json")
    with _opened(bench.file(trial, "source.mp4")) as before, _opened(bench.file(trial, "masked.mp4")) as after:
        order = JudgeOrder(
            before=before,
            after=after,
            truth=truth,
            policy=bench.policy,
            limits=limits_of(bench.settings),
            threads=bench.settings.masker_threads,
        )
        return _child(bench, "judge_child", order.model_dump(mode="json"), (before, after), (truth,), on_progress)


def _verdict(bench: _Bench, trial: Trial, made: _Inserted, report: MaskReport, judged: dict[str, Any]) -> ClipVerdict:
    masked = bench.file(trial, "masked.mp4")
    truth = SuiteTruth.read(bench.file(trial, "truth.json"))
    with _opened(masked) as descriptor:
        media = probe_in_child(descriptor, bench.settings).media
    silent = bench.policy.audio.mode == "drop"
    return ClipVerdict(
        clip=trial.label,
        seed=trial.seed,
        width=made.width,
        height=made.height,
        frames=report.frames,
        events=tuple(EventVerdict.model_validate(event) for event in judged["events"]),
        masked_elsewhere=judged["masked_elsewhere"],
        surviving_identities=tuple(
            dict.fromkeys(hit.canary for hit in grep_bytes(masked.read_bytes(), truth.canaries))
        ),
        surviving_audio_streams=media.other_streams.audio if silent else 0,
        residual_findings=len(report.checks.residual_findings),
        remasked_rounds=report.checks.remasked_rounds,
    )


def _quarantined(trial: Trial, made: _Inserted, reason: str) -> ClipVerdict:
    return ClipVerdict(
        clip=trial.label,
        seed=trial.seed,
        width=made.width,
        height=made.height,
        frames=made.frames,
        events=(),
        masked_elsewhere=0.0,
        quarantined=reason,
    )


def _child(
    bench: _Bench,
    module: str,
    order: dict[str, Any],
    descriptors: tuple[int, ...],
    readable: tuple[Path, ...],
    on_progress: OnProgress,
) -> dict[str, Any]:
    return run_child(
        f"opendrape_masker.selftest.{module}",
        order,
        pass_descriptors=descriptors,
        limits=child_limits(bench.settings, bench.folder, readable),
        on_message=lambda message: on_progress(float(message.get("progress", 0.0))),
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise MediaRefused("the clip cannot be opened", reason="source_unreadable") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
