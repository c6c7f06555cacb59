"""``opendrape receipts``: is a receipt genuine, and is the output the one it speaks of? Offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from opendrape.bootstrap import Container
from opendrape.cli.configuration import AsJson
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.terminal import Terminal
from opendrape.domain.regions import Receipt
from opendrape.errors import NotFound
from opendrape.ports.blobs import BlobStore
from opendrape_uploader.receipt_keys import public_key_path
from opendrape_uploader.receipts import KeyTrust, Verdict, VerifyResult, verify

RECEIPT_ENDING = ".receipt.json"

app = typer.Typer(name="receipts", help="Signed receipts.", no_args_is_help=True)

Paths = Annotated[list[Path], typer.Argument(exists=True, help="Receipts, or folders that hold some.")]
PublicKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--public-key", exists=True, dir_okay=False, help="The signer's .pub file; without it: self-asserted."
    ),
]
NeedOutput = Annotated[bool, typer.Option("--need-output", help="A receipt whose output is not beside it is an error.")]


@app.callback()
def _group() -> None:
    """Signed receipts."""


@app.command("verify")
def verify_receipts(
    paths: Paths, public_key: PublicKeyFile = None, need_output: NeedOutput = False, as_json: AsJson = False
) -> None:
    """Check signatures and outputs. Exit code 1 when one is not in order or there is none."""
    terminal, results = Terminal(as_json=as_json), []
    for path in _receipts(paths):
        result = verify(path, public_key=public_key)
        good = result.ok and (result.output_checked or not need_output)
        results.append((path, result, good))
        terminal.say(f"{'ok ' if good else 'BAD'} {path.name}: {result.message}")
    if any(result.key_trust is KeyTrust.SELF_ASSERTED for _, result, _ in results):
        terminal.notice("name the signer's key with --public-key to know who signed")
    if not results:
        terminal.notice(f"no receipt found (*{RECEIPT_ENDING})")
    terminal.result({"receipts": [_as_json(path, result, good) for path, result, good in results]})
    all_good = bool(results) and all(good for _, _, good in results)
    raise typer.Exit(ExitCode.DELIVERED if all_good else ExitCode.FAILED)


def delivery_fault(container: Container, receipt: str) -> str | None:
    """None when receipt and output at the destination are in order under our own key, else why. Reads both whole."""
    key, destination = public_key_path(container.settings.receipt_key_path), container.destination_blobs
    if not destination.exists(receipt):
        return "receipt_missing"
    with destination.local_path(receipt) as path:
        result = verify(path, public_key=key)
    if not result.ok or result.receipt is None:
        return str(result.verdict)
    return None if result.output_checked else _output_fault(destination, result.receipt)


def _output_fault(destination: BlobStore, receipt: Receipt) -> str | None:
    """Where the output does not lie beside the receipt's file, the store is asked to read it whole."""
    try:
        found = destination.digest(receipt.output.name)
    except NotFound:
        return str(Verdict.OUTPUT_MISSING)
    same = (found.sha256, found.size_bytes) == (receipt.output.sha256, receipt.output.size_bytes)
    return None if same else str(Verdict.OUTPUT_DIFFERS)


def _receipts(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.rglob(f"*{RECEIPT_ENDING}"))
        else:
            yield path


def _as_json(path: Path, result: VerifyResult, good: bool) -> dict[str, object]:
    """A receipt's file name is made of pseudonym and policy: nothing of a person in it."""
    return {
        "receipt": path.name,
        "ok": good,
        "verdict": result.verdict,
        "key": result.key_trust,
        "key_id": result.key_id,
        "output_checked": result.output_checked,
    }
