"""``opendrape policy``: which policies are there, and what does one do?"""

from __future__ import annotations

from typing import Annotated

import typer

from opendrape.adapters.policy_files import policy_names
from opendrape.cli.configuration import AsJson, StateDir, load_settings, missing_roles, policy_named
from opendrape.cli.policy_words import explain
from opendrape.cli.terminal import Terminal

app = typer.Typer(name="policy", help="Policies: what is masked and how.", no_args_is_help=True)


@app.command("list")
def list_policies(as_json: AsJson = False) -> None:
    """Name every policy that can be used."""
    terminal, settings = Terminal(as_json=as_json), load_settings()
    names = policy_names(settings.policy_folders)
    summaries = {name: policy_named(settings, name).summary for name in names}
    for name, summary in summaries.items():
        terminal.say(f"{name:12} {summary}")
    terminal.result({"policies": summaries})


@app.command("explain")
def explain_policy(
    name: Annotated[str, typer.Argument(help="Name of the policy.")],
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Say in plain words what a policy does, its digest, and which models are missing for it. Changes nothing."""
    terminal, settings = Terminal(as_json=as_json), load_settings(state_dir=state_dir)
    policy = policy_named(settings, name)
    missing = missing_roles(settings, policy)
    lines = list(explain(policy))
    for line in lines:
        terminal.say(line)
    terminal.say(f"digest {policy.digest}")
    terminal.say(f"models missing for: {', '.join(missing) or 'nothing'}")
    terminal.result(
        {
            "policy": policy.model_dump(mode="json"),
            "digest": policy.digest,
            "missing_roles": list(missing),
            "explanation": lines,
        }
    )
