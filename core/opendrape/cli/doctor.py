"""``opendrape doctor``: could this machine de-identify a video now, and if not, which setting is to be mended?"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer
from rich.table import Table

from opendrape import __version__
from opendrape.adapters.blob_stores import open_destination, open_work
from opendrape.adapters.policy_files import policy_names
from opendrape.bootstrap import opened_records
from opendrape.cli.configuration import AsJson, StateDir, free_bytes, load_settings, missing_roles, policy_named
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.terminal import Terminal
from opendrape.domain.reasons import explain
from opendrape.errors import OpenDrapeError, StorageUnavailable
from opendrape.media.child_check import prove_walls
from opendrape.ports.blobs import BlobStore
from opendrape.settings import Settings

_DEFAULT_POLICY = "faces"
_ENOUGH_BYTES = 5 * 2**30
_PACKAGES = ("av", "numpy", "opencv-python-headless", "onnxruntime", "sqlalchemy", "cryptography", "fastapi")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``state`` is ok, note (works, but know it) or wrong (does not work)."""

    subject: str
    state: str
    text: str


def doctor(state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Check settings, keys, models, disk, confinement, versions. Makes no folder, no key. Exit code 3: not fit."""
    terminal, settings = Terminal(as_json=as_json), load_settings(state_dir=state_dir)
    findings = [finding for check in _CHECKS for finding in _survive(check, settings)]
    table = Table("", "check", "finding")
    for finding in findings:
        table.add_row(finding.state, finding.subject, finding.text)
    terminal.say(table)
    fit = all(finding.state != "wrong" for finding in findings)
    terminal.result(
        {"fit": fit, "findings": [{"check": f.subject, "state": f.state, "text": f.text} for f in findings]}
    )
    raise typer.Exit(ExitCode.DELIVERED if fit else ExitCode.CONFIGURATION)


def _survive(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except OpenDrapeError as error:
        return [Finding(check.__name__.strip("_"), "wrong", f"{error}. {error.next_step}")]


def _versions(_settings: Settings) -> Iterator[Finding]:
    yield Finding("opendrape", "ok", f"{__version__} on Python {platform.python_version()}, {platform.machine()}")
    for package in _PACKAGES:
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding(package, "wrong", "not installed: install the extra `embedded`")


def _keys(settings: Settings) -> Iterator[Finding]:
    for subject, path in (("map key", settings.map_key_path), ("receipt key", settings.receipt_key_path)):
        if not path.exists():
            yield Finding(subject, "note", "not there yet; the first run makes it and says so")
        elif stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding(subject, "wrong", "others may read it; chmod 600")
        else:
            yield Finding(subject, "ok", "there, readable by its owner only")
    yield from _map(settings)


def _map(settings: Settings) -> Iterator[Finding]:
    if not settings.key_map_path.exists():
        yield Finding("key map", "note", "not there yet; the first run makes it")
        return
    if not settings.map_key_path.exists():
        yield Finding("key map", "wrong", "there, but its key file is gone: restore the key file from its copy")
        return
    with opened_records(settings) as records:
        records.key_map.check()
    yield Finding("key map", "ok", "its key opens it")


def _models(settings: Settings) -> Iterator[Finding]:
    for name in policy_names(settings.policy_folders):
        missing = missing_roles(settings, policy_named(settings, name))
        text = f"no model for {', '.join(missing)}" if missing else "every model is there"
        if missing and name == _DEFAULT_POLICY:
            text += ": run `opendrape models sync`"
        # `full` promises more than any model of this build; only the default level must work for a fit machine
        state = "ok" if not missing else "wrong" if name == _DEFAULT_POLICY else "note"
        yield Finding(f"policy {name}", state, text)
    yield from _stand_ins(settings)


def _stand_ins(settings: Settings) -> Iterator[Finding]:
    """Where a less preferred model serves, because the better one was out of reach when models were fetched."""
    from opendrape_masker.model_choice import passed_over

    policies = [policy_named(settings, name) for name in policy_names(settings.policy_folders)]
    roles = frozenset(role for policy in policies for role in policy.roles)
    for one in passed_over(settings.model_repository, settings.models_dir, roles):
        yield Finding(f"models for {one.role}", "note", one.sentence)


def _inference(settings: Settings) -> Iterator[Finding]:
    from opendrape_masker.inference.line import check_inference, uses_triton

    if not uses_triton(settings):
        yield Finding("inference", "ok", "ONNX Runtime in each masking child; no server is set")
        return
    check_inference(settings, policy_named(settings, _DEFAULT_POLICY).roles)
    replicas = len(settings.triton.addresses)
    yield Finding(
        "inference", "ok", f"Triton, {replicas} address(es): ready, with the pinned models of `{_DEFAULT_POLICY}`"
    )


def _disk(settings: Settings) -> Iterator[Finding]:
    for subject, folder in (("state folder", settings.state_dir), ("destination", settings.destination)):
        free = free_bytes(folder)
        state = "ok" if free >= _ENOUGH_BYTES else "note"
        if not os.access(_existing(folder), os.W_OK):
            yield Finding(subject, "wrong", "cannot be written to by this account")
        else:
            yield Finding(subject, state, f"{free / 2**30:.1f} GiB free")


def _containers(settings: Settings) -> Iterator[Finding]:
    blobs = settings.blobs
    if blobs.work_container:
        yield _asked("work container", lambda opened: open_work(settings, opened, create=False))
    if blobs.destination_container:
        yield _asked("destination container", lambda opened: open_destination(settings, opened, create=False))


def _asked(subject: str, open_store: Callable[[ExitStack], BlobStore]) -> Finding:
    """A container's answer; none is made here."""
    with ExitStack() as opened:
        try:
            open_store(opened).check()
        except StorageUnavailable as error:
            if error.reason == "container_missing":
                return Finding(subject, "note", "not there yet; the first run makes it")
            return Finding(subject, "wrong", explain(error.reason) or "")
    return Finding(subject, "ok", "a blob could be written now")


def _confinement(_settings: Settings) -> Iterator[Finding]:
    walls = prove_walls()
    for wall, standing in sorted(walls.items()):
        yield Finding(f"media child: {wall}", "ok" if standing else "note", str(standing))


def _encoders(_settings: Settings) -> Iterator[Finding]:
    from opendrape.media.encoder_trial import working_encoders
    from opendrape.media.encoders import SOFTWARE

    for encoder, works in working_encoders().items():
        is_needed = encoder in SOFTWARE.values()
        state = "ok" if works else "wrong" if is_needed else "note"
        yield Finding(f"encoder {encoder}", state, "works (a trial was encoded)" if works else "does not work here")


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


_CHECKS = (_versions, _keys, _models, _inference, _disk, _containers, _confinement, _encoders)
