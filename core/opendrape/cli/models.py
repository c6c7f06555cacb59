"""``opendrape models``: which models are there, and how do missing ones get here?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from opendrape.cli.configuration import AsJson, DryRun, StateDir, altered_models, load_settings, missing_roles
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Policy, Role
from opendrape.errors import ModelMissing
from opendrape.settings import Settings

if TYPE_CHECKING:
    from opendrape_masker.models_sync import ModelState

_IN_PROCESS: Final = "onnxruntime"
Served = Annotated[
    Literal["onnxruntime", "triton-onnxruntime", "triton-python"],
    typer.Option("--target", help="Who runs them: this program, or Triton with its backend of that name."),
]

app = typer.Typer(name="models", help="Model weights.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Model weights."""


@app.command("sync")
def sync_models(
    state_dir: StateDir = None, dry_run: DryRun = False, as_json: AsJson = False, target: Served = _IN_PROCESS
) -> None:
    """Fetch every model's pinned weights, check the digest, render them for one way of serving. Idempotent.

    Exit code 3 when a role has no model at all.
    """
    terminal, settings = Terminal(as_json=as_json), load_settings(state_dir=state_dir)
    if dry_run:
        _tell_dry(terminal, settings, target)
        return
    states = fetch(settings, None, terminal, target=target)
    terminal.result({"models": [asdict(state) for state in states], "passed_over": _tell_stand_ins(terminal, settings)})


def prepare_models(terminal: Terminal, settings: Settings, policy: Policy) -> None:
    """Make the policy's models ready, fetching what is missing; ``ModelMissing`` when the policy cannot keep its word.

    A role that no model in the repository serves is told before anything is fetched. Models that were altered on disk
    are made anew; ``model_altered`` when that cannot be, although another model could serve: somebody must look.
    """
    missing = missing_roles(settings, policy)
    hopeless = [role for role in missing if role not in _known_roles(settings)]
    if hopeless:
        roles = ", ".join(hopeless)
        raise ModelMissing(f"policy '{policy.name}' promises {roles}, and this build has no model for that")
    if missing and settings.triton.addresses:
        raise ModelMissing(
            f"the Triton server has no model for {', '.join(missing)} as this build pins it: "
            "render them with `opendrape models sync --target triton-onnxruntime` and restart it"
        )
    if missing:
        terminal.notice(f"models for {', '.join(missing)} are not here yet: fetching them (once)")
        fetch(settings, frozenset(missing), terminal)
    if altered := altered_models(settings, policy):
        terminal.notice(f"files of {', '.join(altered)} were altered: making them anew")
        fetch(settings, frozenset(altered.values()), terminal)
    if altered_models(settings, policy):
        raise ModelMissing(
            f"files of {', '.join(altered)} were altered and the weights are out of reach", reason="model_altered"
        )


def fetch(
    settings: Settings, roles: frozenset[Role] | None, terminal: Terminal, *, target: str = _IN_PROCESS
) -> tuple[ModelState, ...]:
    """Run the sync and say what became of each model. ``ModelMissing`` when a role stays without any."""
    from opendrape_masker.inference.targets import Target
    from opendrape_masker.models_sync import sync

    def tell(state: ModelState) -> None:
        terminal.say(f"  {state.state:12} {state.name} ({state.role}) {state.detail}".rstrip())

    result = sync(
        settings.model_repository,
        settings.models_dir,
        mirror=settings.mirror,
        roles=roles,
        on_event=tell,
        target=Target(target),
    )
    return result.models


def _known_roles(settings: Settings) -> frozenset[Role]:
    from opendrape_masker.inference.repository import read_repository

    return frozenset(role for folder in read_repository(settings.model_repository) for role in folder.lock.roles)


def _tell_dry(terminal: Terminal, settings: Settings, chosen: str) -> None:
    from opendrape_masker.inference.rendered import target_folder
    from opendrape_masker.inference.repository import read_repository
    from opendrape_masker.models_sync import is_materialised

    target = target_folder(settings.models_dir, chosen)
    here = {folder.name: is_materialised(folder, target) for folder in read_repository(settings.model_repository)}
    for name, present in here.items():
        terminal.say(f"  {'present' if present else 'would fetch':12} {name}")
    terminal.result({"dry_run": True, "models": here, "passed_over": _tell_stand_ins(terminal, settings)})


def _tell_stand_ins(terminal: Terminal, settings: Settings) -> list[dict[str, object]]:
    """Where a less preferred model serves although a better one is known; the same words as `doctor`."""
    from opendrape_masker.model_choice import passed_over

    found = list(passed_over(settings.model_repository, settings.models_dir, frozenset(Role)))
    for one in found:
        terminal.say(f"  note: models for {one.role}: {one.sentence}")
    return [asdict(one) for one in found]
