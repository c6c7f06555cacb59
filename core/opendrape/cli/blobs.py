"""``opendrape blobs``: what lies at the destination, is it whole, what may go, what is still to be uploaded?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from opendrape.adapters.blob_stores import open_destination, open_raw
from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.bootstrap import Records, bootstrap, opened_records
from opendrape.cli.actor import actor, existing_state
from opendrape.cli.configuration import AsJson, DryRun, PolicyName, StateDir, load_settings, policy_named
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Policy
from opendrape.ports.blobs import BlobStore
from opendrape.settings import Settings
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.register_blobs import RegisterBlobs, TakenIn
from opendrape_ingest.result import Status
from opendrape_uploader.clean_up import CleanUp, Retention, find_orphans
from opendrape_uploader.receipt_keys import public_key_path, read_public_key
from opendrape_uploader.stored import StoredCheck, StoredVerdict
from opendrape_uploader.upload_only import receipts_in, upload

app = typer.Typer(name="blobs", help="Outputs at the destination, folder or container.", no_args_is_help=True)

Output = Annotated[
    Path | None, typer.Option("--output", help="The destination folder; without it: the container or folder set.")
]
Prefix = Annotated[str, typer.Argument(help="Only names that begin like this.")]
Yes = Annotated[bool, typer.Option("--yes", help="Really do it; without it the command only says what it would do.")]


@dataclass(frozen=True)
class _Desk:
    """What every command here needs."""

    terminal: Terminal
    settings: Settings
    destination: BlobStore


@app.command("list")
def list_blobs(
    prefix: Prefix = "",
    digest: Annotated[bool, typer.Option("--digest", help="Read every blob and show its SHA-256.")] = False,
    output: Output = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Names, sizes and how many; with --digest the SHA-256 of the bytes as they are now."""
    with _opened(state_dir, output, as_json=as_json) as desk:
        rows, total = [], 0
        for entry in desk.destination.list(prefix):
            total += entry.size_bytes
            sha256 = desk.destination.digest(entry.name).sha256 if digest else ""
            rows.append({"name": entry.name, "size_bytes": entry.size_bytes, "sha256": sha256})
            desk.terminal.say(f"{entry.size_bytes:>15}  {sha256}{'  ' if digest else ''}{entry.name}")
        desk.terminal.say(f"{len(rows)} blobs, {total} bytes")
        desk.terminal.result({"count": len(rows), "size_bytes": total, "blobs": rows})


@app.command("verify")
def verify_blobs(
    prefix: Prefix = "", output: Output = None, state_dir: StateDir = None, as_json: AsJson = False
) -> None:
    """Read every byte again and compare it with receipts and catalogue. Exit code 1 when one is damaged or missing."""
    with _opened(state_dir, output, as_json=as_json) as desk, _records(desk) as records:
        key = read_public_key(public_key_path(desk.settings.receipt_key_path))
        checked = []
        for one in StoredCheck(desk.destination, records.catalogue, key).run(prefix):
            checked.append(one)
            desk.terminal.say(f"{one.verdict:16} {one.name}")
        counts = {str(kind): sum(one.verdict is kind for one in checked) for kind in StoredVerdict}
        desk.terminal.say(", ".join(f"{count} {kind}" for kind, count in counts.items()))
        blobs = [{"name": one.name, "verdict": one.verdict, "sha256": one.sha256} for one in checked]
        desk.terminal.result({"counts": counts, "blobs": blobs})
    raise typer.Exit(ExitCode.DELIVERED if all(one.verdict.ok for one in checked) else ExitCode.FAILED)


@app.command("orphans")
def orphans(
    yes: Yes = False,
    at_most: Annotated[int, typer.Option("--at-most", min=1, help="Refuse to remove more than this at once.")] = 20,
    output: Output = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Blobs of our form that no row of the catalogue refers to. Refuses without proof that both belong together."""
    with _opened(state_dir, output, as_json=as_json) as desk, _records(desk) as records:
        found = find_orphans(records.catalogue, desk.destination)
        for entry in found.removable:
            desk.terminal.say(f"{'remove' if yes else 'would remove'} {entry.name}")
        for entry in found.foreign:
            desk.terminal.say(f"not ours, left alone: {entry.name}")
        clean_up = CleanUp(records.catalogue, desk.destination, records.clock, actor())
        clean_up.refuse_unless_proven(found, at_most=at_most)
        removed = clean_up.remove(found) if yes else 0
        desk.terminal.say(f"{len(found.removable)} orphans, {found.referred} referred to, {removed} removed")
        desk.terminal.result(
            {
                "dry_run": not yes,
                "orphans": [entry.name for entry in found.removable],
                "foreign": [entry.name for entry in found.foreign],
                "referred": found.referred,
                "removed": removed,
            }
        )


@app.command("retention")
def retention(
    yes: Yes = False,
    archive_to: Annotated[
        Path | None, typer.Option("--archive-to", help="Copy outputs here, verified, before they go.")
    ] = None,
    output: Output = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Take away outputs that are older than OPENDRAPE_RETENTION__OUTPUT_DAYS (0, the default: none). Receipts stay."""
    with _opened(state_dir, output, as_json=as_json) as desk, _records(desk) as records:
        days = desk.settings.retention.output_days
        rule = Retention(records.catalogue, desk.destination, records.clock, actor(), days)
        due = rule.due()
        archive = LocalBlobStore(archive_to) if archive_to is not None and yes else None
        word = "archive" if archive_to is not None else "delete"
        for asset in due:
            desk.terminal.say(f"{word if yes else 'would ' + word} {asset.asset_id}")
            if yes:
                rule.take_away(asset, archive)
        desk.terminal.result({"dry_run": not yes, "action": word, "assets": [asset.asset_id for asset in due]})


@app.command("upload")
def upload_outputs(
    path: Annotated[Path, typer.Argument(exists=True, help="An output, its receipt, or a folder of both.")],
    dry_run: DryRun = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring finished outputs to the destination that is set; only with a genuine receipt of ours beside them."""
    with _opened(state_dir, None, as_json=as_json, create=not dry_run) as desk:
        key = public_key_path(desk.settings.receipt_key_path)
        results = list(upload(receipts_in(path), desk.destination, public_key=key, dry_run=dry_run))
        for one in results:
            desk.terminal.say(f"{one.status:16} {one.name}")
        if not results:
            desk.terminal.notice("no receipt found: outputs leave only with one")
        desk.terminal.result({"dry_run": dry_run, "outputs": [{"name": r.name, "status": r.status} for r in results]})
    good = bool(results) and all(one.ok for one in results)
    raise typer.Exit(ExitCode.DELIVERED if good else ExitCode.FAILED)


@app.command("register")
def register(
    prefix: Annotated[str, typer.Argument(help="A blob of the source container, or the beginning of several names.")],
    policy: PolicyName = "faces",
    dry_run: DryRun = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Take in videos where they lie: each is read once for its digest, masked by ranges, and never downloaded whole."""
    terminal, settings = Terminal(as_json=as_json), load_settings(state_dir=state_dir)
    chosen = policy_named(settings, policy)
    with ExitStack() as opened:
        raw = open_raw(settings, opened)
        names = list(raw.names(prefix))
        taken = [] if dry_run else list(_taken_in(terminal, settings, chosen, names))
    terminal.say(f"{len(names)} blobs found, {sum(one.status is Status.NEW for one in taken)} new")
    terminal.result({"dry_run": dry_run, "found": len(names), "assets": [one.as_json() for one in taken]})


def _taken_in(terminal: Terminal, settings: Settings, policy: Policy, names: list[str]) -> Iterator[TakenIn]:
    container = bootstrap(settings, notice=terminal.notice)
    with container.resources:
        container.policies.remember(policy)
        originals, rule = container.originals, RecordNumberRule(settings.pseudonym.record_number_pattern)
        blobs = RegisterBlobs(container.catalogue, container.key_map, originals, policy.reference, rule)
        for name in names:
            one = blobs.take_in(originals.look(name))
            terminal.say(f"{one.status:10} {one.asset_id}")
            yield one


@contextmanager
def _opened(state_dir: Path | None, output: Path | None, *, as_json: bool, create: bool = False) -> Iterator[_Desk]:
    settings = load_settings(state_dir=state_dir, destination=output)
    with ExitStack() as opened:
        yield _Desk(Terminal(as_json=as_json), settings, open_destination(settings, opened, create=create))


@contextmanager
def _records(desk: _Desk) -> Iterator[Records]:
    existing_state(desk.settings)
    with opened_records(desk.settings, notice=desk.terminal.notice) as records:
        yield records
