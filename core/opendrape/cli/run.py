"""``opendrape run``: how does a folder of videos and pictures become a folder of de-identified, verified ones?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any

import typer

from opendrape.adapters.blob_stores import shown_destination
from opendrape.bootstrap import Container, bootstrap
from opendrape.cli.asset_outcome import AssetOutcome, outcome_of
from opendrape.cli.configuration import (
    AsJson,
    DryRun,
    PolicyName,
    Quiet,
    StateDir,
    load_settings,
    policy_named,
)
from opendrape.cli.dry_run import preview_parts
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.models import prepare_models
from opendrape.cli.progress import shown_progress
from opendrape.cli.run_table import RETRYABLE, printable, show_outcomes
from opendrape.cli.scanning import scan_shown
from opendrape.cli.scene_options import AllowUnverified, DeviceId, Intervals, confirmed_for_one
from opendrape.cli.standing import Journey
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Policy
from opendrape.embedded import embedded
from opendrape.ledger.redelivery import Redelivery
from opendrape.logging import configure
from opendrape.serving.threads import Services, elsewhere
from opendrape.settings import LogSettings, Settings
from opendrape_ingest.result import ScanResult, Status

Input = Annotated[
    Path, typer.Argument(exists=True, readable=True, help="Folder of videos and pictures, or one of them.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", help="Folder for de-identified videos and receipts; needed unless a container is set."),
]
Cluster = Annotated[
    bool, typer.Option("--cluster", help="Only register and follow: the services of these settings do the work.")
]
Retry = Annotated[bool, typer.Option("--retry", help="Try failed and quarantined videos of this input again.")]

_LOOK_SECONDS = 0.2


def run(
    source: Input,
    output: Output = None,
    policy: PolicyName = "faces",
    device: DeviceId = None,
    allow_unverified_device: AllowUnverified = False,
    interval: Intervals = None,
    state_dir: StateDir = None,
    retry: Retry = False,
    cluster: Cluster = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """De-identify every video and picture of a folder into another one, verified, each with a signed receipt.

    Run it again after an interruption and it goes on; what is delivered is not done twice.
    """
    terminal = Terminal(as_json=as_json, quiet=quiet)
    settings = load_settings(state_dir=state_dir, destination=output)
    if output is None and not (cluster or settings.blobs.destination_container):
        raise typer.BadParameter("name a folder, or set OPENDRAPE_BLOBS__DESTINATION_CONTAINER", param_hint="--output")
    chosen = policy_named(settings, policy, device=device, allow_unverified=allow_unverified_device)
    said = confirmed_for_one(interval, source)
    chosen = chosen.model_copy(update={"out_of_body": chosen.out_of_body.with_confirmed(said)})
    if dry_run:
        raise typer.Exit(_dry(terminal, settings, source, chosen))
    if not cluster:
        # a person waits for an answer: a full disk ends the run soon, and the next run goes on
        settings = settings.model_copy(update={"work": settings.work.model_copy(update={"outage_hours": 0.0})})
    workplace = elsewhere if cluster else _in_this_process
    raise typer.Exit(_real(terminal, settings, source, chosen, retry, workplace))


def _dry(terminal: Terminal, settings: Settings, source: Path, policy: Policy) -> ExitCode:
    with preview_parts(settings) as parts:
        scanned = scan_shown(terminal, parts, source, policy, dry_run=True)
    for file in scanned.files:
        word = "would mask" if file.status is Status.NEW else str(file.status)
        terminal.say(f"{word:12} {printable(file.path.name)} {file.reason}".rstrip())
    terminal.result({"dry_run": True, "policy": policy.name, "files": _files_json(scanned)})
    return exit_code(scanned, {})


def _real(
    terminal: Terminal, settings: Settings, source: Path, policy: Policy, retry: bool, workplace: Workplace
) -> ExitCode:
    configure(_log_settings(settings))
    if workplace is _in_this_process:
        prepare_models(terminal, settings, policy)
    container = bootstrap(settings, notice=lambda text: _key_notice(terminal, text, settings))
    with container.resources:
        container.policies.remember(policy)
        scanned = _work(terminal, container, source, policy, retry, workplace)
        outcomes = {asset_id: outcome_of(container, asset_id) for asset_id in scanned.asset_ids}
        show_outcomes(terminal, scanned, outcomes, shown_destination(settings))
    code = exit_code(scanned, outcomes)
    terminal.result(
        {
            "policy": {"name": policy.name, "digest": policy.digest},
            "files": _files_json(scanned),
            "assets": [outcome.as_json() for outcome in outcomes.values()],
            "exit_code": int(code),
        }
    )
    return code


Workplace = Callable[[Container, Callable[[str], None]], AbstractContextManager[Services]]
"""Where the work is done while the context lasts."""


def _in_this_process(container: Container, notice: Callable[[str], None]) -> AbstractContextManager[Services]:
    return embedded(container, notice=notice)


def _work(
    terminal: Terminal, container: Container, source: Path, policy: Policy, retry: bool, workplace: Workplace
) -> ScanResult:
    journey = Journey(container.catalogue)
    with workplace(container, lambda text: _key_notice(terminal, text, container.settings)) as services:
        scanned = scan_shown(terminal, container, source, policy)
        _put_back_to_work(terminal, container, scanned, retry)
        for file in scanned.files:
            if file.asset_id:
                journey.follow(file.asset_id, file.size_bytes)
        _wait_shown(terminal, container, services, journey)
    return scanned


def _wait_shown(terminal: Terminal, container: Container, services: Services, journey: Journey) -> None:
    """Until every followed video is where it stays, and what an earlier run left in our own ledger is done too."""
    started = container.clock.monotonic()
    with shown_progress(terminal, "masking") as shown:
        while True:
            services.check()
            now = journey.standing()
            rate = now.frames / max(0.001, container.clock.monotonic() - started)
            shown(now.fraction, f"{now.finished}/{now.total} videos, {now.frames:.0f} frames, {rate:.1f} frames/s")
            if now.finished == now.total and services.is_idle():
                return
            services.pause(_LOOK_SECONDS)


def _key_notice(terminal: Terminal, text: str, settings: Settings) -> None:
    folders = sorted({str(path.parent) for path in (settings.map_key_path, settings.receipt_key_path)})
    terminal.notice(f"NOTICE: {text} Keys are in: {', '.join(folders)}")


def _log_settings(settings: Settings) -> LogSettings:
    """The progress line and the table say what happens; only trouble is logged unless a level was asked for."""
    asked = "level" in settings.log.model_fields_set
    return settings.log if asked else settings.log.model_copy(update={"level": "warning"})


def _put_back_to_work(terminal: Terminal, container: Container, scanned: ScanResult, retry: bool) -> None:
    """What was delivered elsewhere, or removed from here since, is delivered again; with ``retry``, failed ones too."""
    redelivery = Redelivery(container.catalogue, container.work_blobs, container.destination_blobs)
    again = 0
    for asset_id in scanned.asset_ids:
        again += redelivery.deliver_missing(asset_id, actor="cli")
        if retry and container.catalogue.asset(asset_id).state in RETRYABLE:
            redelivery.retry(asset_id, actor="cli")
    if again:
        terminal.notice(f"delivered before, but not in this output folder: delivering {again} again")


def exit_code(scanned: ScanResult, outcomes: Mapping[str, AssetOutcome]) -> ExitCode:
    """The worst of what happened decides; a file that is only deferred is not a failure."""
    bad = any(file.status in (Status.FAILED, Status.UNSUPPORTED) for file in scanned.files)
    if bad or any(not outcome.delivered for outcome in outcomes.values()):
        return ExitCode.FAILED
    deferred = any(file.status is Status.DEFERRED for file in scanned.files)
    return ExitCode.DEFERRED if deferred else ExitCode.DELIVERED


def _files_json(scanned: ScanResult) -> dict[str, Any]:
    """Counts and ids; a file without an asset is told by its place in the listing, never by its name."""
    others = [
        {"number": number, "status": file.status, "reason": file.reason}
        for number, file in enumerate(scanned.files)
        if file.status not in (Status.NEW, Status.KNOWN)
    ]
    counts = Counter(str(file.status) for file in scanned.files)
    return {"counts": dict(sorted(counts.items())), "others": others}
