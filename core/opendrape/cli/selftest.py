"""``opendrape selftest``: does this machine, with this policy, really hide what is put before it?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opendrape.cli.configuration import AsJson, PolicyName, Quiet, StateDir, load_settings, policy_named
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.models import prepare_models
from opendrape.cli.progress import shown_progress
from opendrape.cli.selftest_words import told
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Policy
from opendrape.settings import Settings
from opendrape.state_folder import empty_folder, sole_owner

if TYPE_CHECKING:
    from opendrape_masker.selftest.running import Trial
    from opendrape_masker.selftest.verdicts import ClipVerdict, SelfTest

Clips = Annotated[
    list[Path] | None,
    typer.Option("--clip", exists=True, dir_okay=False, readable=True, help="Insert into this video; repeatable."),
]
Photographs = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="More faces: *.jpg with *.face_gt.json beside them."),
]
Output = Annotated[Path | None, typer.Option("--output", help="Keep videos, truth and result here; never overwritten.")]
Share = typer.Option(min=0.0, max=1.0)


def selftest(
    clip: Clips = None,
    policy: PolicyName = "faces",
    seed: Annotated[int, typer.Option(min=1, help="Same seed, same insertions.")] = 1,
    events: Annotated[int, typer.Option(min=1, max=1000, help="Insertions per video, as far as there is room.")] = 36,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="Length of each video, at most.")] = 20.0,
    width: Annotated[int, typer.Option(min=96, max=4096, help="Of generated tissue, in pixels.")] = 1280,
    height: Annotated[int, typer.Option(min=96, max=2304, help="Of generated tissue, in pixels.")] = 720,
    photographs: Photographs = None,
    minimum_events: Annotated[float, Share] = 0.995,
    minimum_frames: Annotated[float, Share] = 0.995,
    output: Output = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Insert known faces, text, tags, SEI and speech into videos, mask them, and say what was missed.

    An event is one continuous appearance; one open frame loses it. Exit code 1 when less is covered than asked for.
    """
    from opendrape_masker.selftest.running import Trial
    from opendrape_masker.selftest.verdicts import SelfTest, Thresholds

    terminal, settings = Terminal(as_json=as_json, quiet=quiet), load_settings(state_dir=state_dir)
    chosen = policy_named(settings, policy)
    prepare_models(terminal, settings, chosen)
    trials = [
        Trial(number, source, seed + number - 1, events, seconds, width, height, photographs)
        for number, source in enumerate(clip or [None], 1)
    ]
    with _folder(output) as folder:
        result = SelfTest(
            policy=chosen.name,
            policy_digest=chosen.digest,
            thresholds=Thresholds(event_recall=minimum_events, frame_recall=minimum_frames),
            clips=_run(terminal, trials, chosen, settings, folder),
        )
        (folder / "selftest.json").write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _tell(terminal, result)


def _tell(terminal: Terminal, result: SelfTest) -> None:
    failures = list(result.failures)
    for line in told(result):
        terminal.say(line)
    counted, whole = result.counted.model_dump(mode="json"), result.model_dump(mode="json")
    terminal.result({"passed": not failures, "failures": failures, "counted": counted, "result": whole})
    if failures:
        terminal.notice("self-test NOT passed")
        raise typer.Exit(ExitCode.FAILED)


def _run(
    terminal: Terminal, trials: list[Trial], policy: Policy, settings: Settings, folder: Path
) -> tuple[ClipVerdict, ...]:
    from opendrape_masker.selftest.running import run_trial

    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    verdicts: list[ClipVerdict] = []
    with sole_owner(settings.state_dir), shown_progress(terminal, "self-test") as shown:
        empty_folder(settings.scratch_dir)
        for trial in trials:
            verdicts.append(
                run_trial(
                    trial,
                    policy=policy,
                    settings=settings,
                    folder=folder,
                    on_progress=lambda share: shown((len(verdicts) + share) / len(trials), ""),
                )
            )
    return tuple(verdicts)


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """Where videos and truth go: a folder to keep, which must be empty, or one that is gone afterwards."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="opendrape-selftest-") as folder:
            yield Path(folder)
        return
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise typer.BadParameter("is not empty", param_hint="--output")
    yield output
