"""``opendrape audit``: is the audit whole, and how does a hospital's own audit get it (H-09)?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from opendrape.adapters.audit_keys import add_audit_key
from opendrape.audit.fhir import audit_event
from opendrape.audit.office import AuditOffice
from opendrape.audit.verify import AuditReport, Finding
from opendrape.bootstrap import AccessRecords, opened_access
from opendrape.cli.actor import actor, existing_catalogue
from opendrape.cli.configuration import AsJson, StateDir, load_settings
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.terminal import Terminal
from opendrape.domain.audit import AuditEvent, Seal, StoredEvent
from opendrape.metrics import Metrics
from opendrape.settings import Settings

app = typer.Typer(name="audit", help="The chained audit.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="New file (0600).", dir_okay=False)]
_PAGE = 1000


@app.callback()
def _group() -> None:
    """The chained audit."""


@app.command("verify")
def verify(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Find events that were changed, removed, put in, moved or cut off. Exit code 1: there are; 3: no key."""
    terminal = Terminal(as_json=as_json)
    with _opened(state_dir) as (records, settings):
        report = records.audit(settings).verify()
    for finding in report.findings:
        terminal.say(_sentence(finding))
    verdict = "whole" if report.is_whole else "NOT WHOLE"
    terminal.say(f"{verdict}: {report.sealed} events sealed, {report.unsealed} not yet, {report.anchors} anchors")
    terminal.result(as_result(report))
    if not report.is_whole:
        raise typer.Exit(ExitCode.FAILED)


@app.command("seal")
def seal(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Seal and anchor now what `serve` would seal within seconds."""
    terminal, metrics = Terminal(as_json=as_json), Metrics()
    with _opened(state_dir) as (records, settings):
        sealed = records.audit(settings).sealer(metrics).tick(anchor_now=True)
    terminal.say(f"{sealed} events sealed")
    terminal.result({"sealed": sealed})
    if metrics.registry.get_sample_value("opendrape_audit_broken"):
        terminal.notice("the chain does not fit its anchor: run `opendrape audit verify`")
        raise typer.Exit(ExitCode.FAILED)


@app.command("export")
def export(
    file: File,
    fhir: Annotated[bool, typer.Option("--fhir", help="FHIR R4 AuditEvent resources instead of our own form.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Write every event, one JSON object a line (NDJSON). The export is itself an audited act."""
    terminal, count = Terminal(as_json=as_json), 0
    with _opened(state_dir) as (records, settings):
        with _new_file(file) as out:
            for stored, its_seal in _events(records.audit(settings)):
                out.write(json.dumps(audit_event(stored, its_seal) if fhir else plain(stored, its_seal)) + "\n")
                count += 1
        act = AuditEvent(actor(), "audit.exported", "audit", records.clock.now(), {"rows": count})
        records.catalogue.append_audit(act)
    terminal.say(f"{count} events written")
    terminal.result({"events": count})


@app.command("rotate-key")
def rotate_key(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Make a new key for seals to come; the earlier ones stay, to check old seals. Restart what seals."""
    terminal = Terminal(as_json=as_json)
    with _opened(state_dir) as (records, settings):
        keys = add_audit_key(settings.audit_key_path)
        act = AuditEvent(actor(), "audit.key_rotated", "audit", records.clock.now(), {"key_id": keys.active_id})
        records.catalogue.append_audit(act)
    terminal.say(f"new seals are made with key {keys.active_id}")
    terminal.result({"active": keys.active_id, "keys": list(keys.secrets)})


def as_result(report: AuditReport) -> dict[str, object]:
    """The report for a machine."""
    findings = [{"fault": one.fault, "position": one.position, "event": one.event_id} for one in report.findings]
    head = {"position": report.head.position, "mac": report.head.mac} if report.head else None
    counts = {"sealed": report.sealed, "unsealed": report.unsealed, "anchors": report.anchors}
    return {"whole": report.is_whole, **counts, "head": head, "findings": findings}


def plain(stored: StoredEvent, its_seal: Seal | None) -> dict[str, object]:
    """One event in our own form."""
    event = stored.event
    return {
        "id": stored.event_id,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "action": event.action,
        "object": event.object_id,
        "facts": event.facts,
        "seal": {"position": its_seal.position, "mac": its_seal.mac} if its_seal else None,
    }


def _sentence(finding: Finding) -> str:
    place = f"position {finding.position}" if finding.position else "an event without seal"
    event = f" (event {finding.event_id})" if finding.event_id else ""
    return f"{finding.fault}: {place}{event}"


def _events(office: AuditOffice) -> Iterator[tuple[StoredEvent, Seal | None]]:
    after = 0
    while page := office.trail.events(after=after, limit=_PAGE):
        yield from page
        after = page[-1][0].event_id


@contextmanager
def _opened(state_dir: Path | None) -> Iterator[tuple[AccessRecords, Settings]]:
    settings = load_settings(state_dir=state_dir)
    existing_catalogue(settings)
    with opened_access(settings) as records:
        yield records, settings


@contextmanager
def _new_file(file: Path) -> Iterator[IO[str]]:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise typer.BadParameter("the file exists or cannot be made", param_hint="file") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())
