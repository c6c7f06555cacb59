"""``opendrape bus``: which rings were kept aside, and how do their items go on? (O-04)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from opendrape.bootstrap import Container, bootstrap
from opendrape.cli.actor import actor, existing_state
from opendrape.cli.configuration import AsJson, StateDir, load_settings
from opendrape.cli.terminal import Terminal
from opendrape.domain.reasons import explain
from opendrape.errors import ConfigurationError
from opendrape.ledger.redelivery import Redelivery
from opendrape.ledger.replay import Replay
from opendrape.ports.dead_letters import DeadLetter

app = typer.Typer(name="bus", help="The message bus between machines.", no_args_is_help=True)
dead_letters = typer.Typer(name="dead-letters", help="Rings that nobody can work on.", no_args_is_help=True)
app.add_typer(dead_letters)

Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many per queue.")]
Items = Annotated[list[int] | None, typer.Option("--item", help="Only the letters of this item; repeatable.")]
All = Annotated[bool, typer.Option("--all", help="Every letter.")]


@app.callback()
def _group() -> None:
    """The message bus between machines."""


@dead_letters.command("list")
def list_letters(limit: Limit = 100, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Say which rings were kept aside, why, how often they were delivered and when they were rung."""
    terminal = Terminal(as_json=as_json)
    with _container(state_dir, terminal) as container:
        letters = container.dead_letters.letters(limit)
    for letter in letters:
        item = "-" if letter.item_id is None else str(letter.item_id)
        what = f"{letter.queue.value:9} item {item:>8}  {letter.sort.value:12} {letter.reason}"
        terminal.say(f"{what}  deliveries {letter.deliveries}  {_when(letter)}  {explain(letter.reason)}")
    terminal.say(f"{len(letters)} dead letters")
    terminal.result({"dead_letters": [_as_json(letter) for letter in letters]})


@dead_letters.command("replay")
def replay(item: Items = None, everything: All = False, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Start again what was kept aside, by the rules of a retry: audited; what went on meanwhile is only removed."""
    if bool(item) == everything:
        raise typer.BadParameter("give --item, or --all", param_hint="--item")
    terminal, wanted = Terminal(as_json=as_json), frozenset(item or ())
    with _container(state_dir, terminal) as container:
        done = _replay_of(container).replay(actor=actor(), wanted=lambda letter: everything or letter.item_id in wanted)
    counts = Counter(result.value for _, result in done)
    terminal.say(", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing to replay")
    terminal.result({"replayed": [_as_json(letter) | {"result": result.value} for letter, result in done]})


@contextmanager
def _container(state_dir: Path | None, terminal: Terminal) -> Iterator[Container]:
    settings = load_settings(state_dir=state_dir)
    if not settings.bus.is_used:
        raise ConfigurationError(
            "no bus is configured: OPENDRAPE_BUS__CONNECTION_STRING or OPENDRAPE_BUS__NAMESPACE", reason="configuration"
        )
    existing_state(settings)
    container = bootstrap(settings, notice=terminal.notice)
    with container.resources:
        yield container


def _replay_of(container: Container) -> Replay:
    redelivery = Redelivery(container.catalogue, container.work_blobs, container.destination_blobs)
    return Replay(container.catalogue, redelivery, container.doorbell, container.dead_letters)


def _when(letter: DeadLetter) -> str:
    return "-" if letter.rung_at is None else letter.rung_at.isoformat(timespec="seconds")


def _as_json(letter: DeadLetter) -> dict[str, object]:
    return {
        "queue": letter.queue.value,
        "number": letter.number,
        "class": letter.sort.value,
        "reason": letter.reason,
        "item_id": letter.item_id,
        "deliveries": letter.deliveries,
        "rung_at": None if letter.rung_at is None else letter.rung_at.isoformat(),
    }
