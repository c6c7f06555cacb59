"""``opendrape mask``: how is one file masked, without catalogue, keys or receipt?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opendrape.cli.configuration import (
    AsJson,
    DryRun,
    PolicyName,
    Quiet,
    StateDir,
    load_settings,
    missing_roles,
    policy_named,
)
from opendrape.cli.marked import Regions, marked_regions
from opendrape.cli.models import prepare_models
from opendrape.cli.muted import Mutes, muted_intervals
from opendrape.cli.preview import Preview, WithOriginals, preview_wish
from opendrape.cli.progress import shown_progress
from opendrape.cli.report_files import Reports, held_back, report_files, write_reports
from opendrape.cli.scene_options import AllowUnverified, DeviceId, Intervals, confirmed_intervals
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MarkedRegion, MaskReport
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.settings import Settings
from opendrape.state_folder import empty_folder, sole_owner

if TYPE_CHECKING:
    from opendrape_masker.preview.orders import PreviewWish

Source = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The video or picture.")]
Target = Annotated[
    Path, typer.Option("--output", help="The masked file: MP4, or a picture of its family; never overwritten.")
]


def mask(
    file: Source,
    output: Target,
    policy: PolicyName = "faces",
    region: Regions = None,
    mute: Mutes = None,
    device: DeviceId = None,
    allow_unverified_device: AllowUnverified = False,
    interval: Intervals = None,
    preview: Preview = None,
    preview_with_originals: WithOriginals = False,
    report: Reports = None,
    state_dir: StateDir = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Mask one file into another: same engine, same checks, but no pseudonym, no receipt, nothing remembered."""
    terminal, settings = Terminal(as_json=as_json, quiet=quiet), load_settings(state_dir=state_dir)
    chosen = policy_named(settings, policy, device=device, allow_unverified=allow_unverified_device)
    regions, confirmed = marked_regions(region), confirmed_intervals(interval)
    chosen = chosen.model_copy(update={"audio": chosen.audio.with_intervals(muted_intervals(mute))})
    _refuse_bad_target(file, output)
    wish = preview_wish(terminal, preview, with_originals=preview_with_originals, output=output)
    pages = report_files(report, output=output)
    if dry_run:
        missing = missing_roles(settings, chosen)
        terminal.say(f"would mask one file under policy '{policy}'; models missing: {', '.join(missing) or 'none'}")
        terminal.result({"dry_run": True, "policy": policy, "missing_roles": list(missing)})
        return
    prepare_models(terminal, settings, chosen)
    with held_back(pages, chosen) as seen:
        done = _mask(terminal, file, output, chosen, settings, (regions, confirmed), wish, seen)
    write_reports(pages, done, chosen)
    tracks = ", ".join(f"{count} {role}" for role, count in sorted(done.tracks.items())) or "none"
    terminal.say(f"masked: {done.frames} frames, {done.masked_frames} with masks; tracks: {tracks}; checks passed")
    terminal.result({"policy": policy, "report": done.model_dump(mode="json")})


def _mask(
    terminal: Terminal,
    file: Path,
    output: Path,
    policy: Policy,
    settings: Settings,
    said: tuple[tuple[MarkedRegion, ...], tuple[ConfirmedInterval, ...]],
    preview: PreviewWish | None,
    on_masked: Callable[[MaskReport], None],
) -> MaskReport:
    from opendrape_masker.single import mask_file

    output.parent.mkdir(parents=True, exist_ok=True)
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # the scratch folder has one owner: a run that starts meanwhile would empty it
    with sole_owner(settings.state_dir), shown_progress(terminal, "masking") as shown:
        empty_folder(settings.scratch_dir)
        return mask_file(
            file,
            output,
            policy=policy,
            settings=settings,
            regions=said[0],
            confirmed=said[1],
            on_progress=lambda fraction: shown(fraction, ""),
            preview=preview,
            on_masked=on_masked,
        )


def _refuse_bad_target(file: Path, output: Path) -> None:
    if output.is_dir():
        raise typer.BadParameter("is a folder; name a file", param_hint="--output")
    if output.exists() and output.samefile(file):
        raise typer.BadParameter("is the source itself", param_hint="--output")
