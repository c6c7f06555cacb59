"""``opendrape keys api``: who gets a key of the HTTP door, and whose is replaced or ends (H-05)?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from opendrape.access.key_office import LONGEST_DAYS, OVERLAP_HOURS, Issued, KeyOffice
from opendrape.access.key_text import KeyText
from opendrape.bootstrap import AccessRecords, opened_access
from opendrape.cli.actor import actor, existing_catalogue
from opendrape.cli.configuration import AsJson, StateDir, load_settings
from opendrape.cli.terminal import Terminal
from opendrape.domain.access import ApiKey, Role, Scope
from opendrape.settings import Settings

app = typer.Typer(name="api", help="API keys of the HTTP door.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The key's name: the 12 characters after `odk_`.")]
Days = Annotated[
    float | None, typer.Option("--days", min=0.001, max=LONGEST_DAYS, help="Life (OPENDRAPE_ACCESS__KEY_DAYS).")
]


@app.command("create")
def create(
    label: Annotated[str, typer.Argument(help="What the key is for: lower case, digits, hyphens; no names of people.")],
    role: Annotated[list[Role], typer.Option("--role", help="May be given again.")],
    scope: Annotated[list[Scope] | None, typer.Option("--scope", help="Default: all of the roles.")] = None,
    days: Days = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for a new client and show it, this once."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", label):
        raise typer.BadParameter("lower-case letters, digits and hyphens, at most 32", param_hint="label")
    with _opened(state_dir) as (records, settings):
        issued = _office(records).issue(
            label=label, roles=role, scopes=scope, days=days or settings.access.key_days, actor=actor()
        )
    _show(Terminal(as_json=as_json), issued)


@app.command("list")
def list_keys(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Every key: live, expired, revoked. Never its text."""
    terminal, shown = Terminal(as_json=as_json), []
    with _opened(state_dir) as (records, _):
        now = records.clock.now()
        for key in _every_key(records):
            facts = _facts(key) | {"live": key.is_live(now)}
            shown.append(facts)
            state = "live" if facts["live"] else "revoked" if key.revoked_at else "expired"
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
            roles = ",".join(sorted(key.roles))
            terminal.say(f"{key.key_id}  {state:7}  until {key.expires_at:%Y-%m-%d}  used {used}  {roles}  {key.label}")
    terminal.result({"keys": shown})


@app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option("--overlap-hours", min=0, max=24 * 31, help="How long the old key still works.")
    ] = OVERLAP_HOURS,
    days: Days = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the successor of a key: same client, roles and scopes. Both work while they overlap."""
    with _opened(state_dir) as (records, settings):
        issued = _office(records).rotate(
            key_id, days=days or settings.access.key_days, overlap_hours=overlap_hours, actor=actor()
        )
    _show(Terminal(as_json=as_json), issued)


@app.command("revoke")
def revoke(key_id: KeyId, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """End a key at once."""
    terminal = Terminal(as_json=as_json)
    with _opened(state_dir) as (records, _):
        key = records.access.revoke_key(key_id, actor=actor())
    terminal.say(f"{key.key_id} opens nothing any more")
    terminal.result(_facts(key))


@app.command("draw")
def draw() -> None:
    """Print a fresh key that no catalogue knows yet, for the file OPENDRAPE_ACCESS__FIRST_KEY_FILE."""
    typer.echo(KeyText.draw().shown())


@contextmanager
def _opened(state_dir: Path | None) -> Iterator[tuple[AccessRecords, Settings]]:
    settings = load_settings(state_dir=state_dir)
    existing_catalogue(settings)
    with opened_access(settings) as records:
        yield records, settings


def _office(records: AccessRecords) -> KeyOffice:
    return KeyOffice(records.access, records.clock)


def _every_key(records: AccessRecords) -> Iterator[ApiKey]:
    after: str | None = None
    while page := records.access.keys(after=after):
        yield from page
        after = page[-1].key_id


def _show(terminal: Terminal, issued: Issued) -> None:
    terminal.say(issued.text)
    if terminal.talks:
        terminal.notice(f"shown this once; it ends on {issued.key.expires_at:%Y-%m-%d}")
    terminal.result(_facts(issued.key) | {"key": issued.text})


def _facts(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "client": key.client,
        "label": key.label,
        "roles": sorted(key.roles),
        "scopes": sorted(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat(),
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
