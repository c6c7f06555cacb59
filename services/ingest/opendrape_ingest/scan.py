"""What happens when a source folder is scanned: every file is taken in, or listed with the reason why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Protocol

from opendrape.domain.policy import Policy
from opendrape.errors import ConfigurationError, PermanentError
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.key_map import KeyMap
from opendrape.settings import Settings
from opendrape_ingest.digest import ChangedWhileRead, digest
from opendrape_ingest.discover import Found, PassedOver, discover, source_root
from opendrape_ingest.recognise import refusal
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.register import Preview, Register
from opendrape_ingest.result import Digesting, Listed, ScanEvent, ScannedFile, ScanResult, Settled, Status
from opendrape_ingest.stability import Patience, Restless, settle


class ScanParts(Protocol):
    """What a scan needs of the container. A dry run also takes parts whose catalogue and map are None."""

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def catalogue(self) -> Catalogue | None: ...

    @property
    def key_map(self) -> KeyMap | None: ...


@dataclass(frozen=True, slots=True)
class PreviewParts:
    """Parts for a dry run where nothing exists yet, and nothing shall."""

    settings: Settings
    clock: Clock
    catalogue: Catalogue | None = None
    key_map: KeyMap | None = None


def _unheard(_: ScanEvent) -> None:
    return


def scan(
    parts: ScanParts,
    root: Path,
    policy: Policy,
    *,
    dry_run: bool = False,
    on_event: Callable[[ScanEvent], None] = _unheard,
    sleep: Callable[[float], None] = time.sleep,
) -> ScanResult:
    """Scan a folder (or one file): register every still, new video under ``policy`` and say what became of each file.

    ``dry_run`` writes nothing anywhere and lists what would be new (I-07). Files that are written to are waited for,
    ``ingest.stable_wait_seconds`` at most, by ``sleep``. One bad file never stops the others.
    ``ConfigurationError`` when the source is missing or the record number pattern cannot be used;
    ``CatalogueUnavailable`` and the like go through: a scan is safe to repeat.
    """
    real, start = source_root(root)
    _keep_apart(real, parts.settings)
    record_number = RecordNumberRule(parts.settings.pseudonym.record_number_pattern)
    rules = parts.settings.ingest
    patience = Patience(rules.stable_seconds, rules.stable_wait_seconds, parts.clock, sleep)
    intake: Register | Preview
    if dry_run:
        intake = Preview(parts.catalogue, parts.key_map, policy.reference, real)
    else:
        assert parts.catalogue is not None
        assert parts.key_map is not None
        intake = Register(parts.catalogue, parts.key_map, policy.reference, record_number, real)
    own = tuple(folder.resolve() for folder in (parts.settings.state_dir, parts.settings.destination))
    files = _Scan(real, intake, patience, on_event).run(discover(real, start, leave_out=own))
    return ScanResult(files=files, dry_run=dry_run)


def _keep_apart(root: Path, settings: Settings) -> None:
    """Outputs and work files must never be taken for originals, nor originals lie where outputs are handed out."""
    if root.is_relative_to(settings.destination.resolve()):
        raise ConfigurationError("the source lies in the destination folder", reason="source_is_destination")
    private = (folder.resolve() for folder in settings.private_folders)
    if root == settings.state_dir.resolve() or any(root.is_relative_to(folder) for folder in private):
        raise ConfigurationError("the source lies in the state folder", reason="folders_overlap")


@dataclass
class _Scan:
    root: Path
    intake: Register | Preview
    patience: Patience
    on_event: Callable[[ScanEvent], None]
    settled: dict[PurePath, ScannedFile] = field(default_factory=dict)

    def run(self, names: Iterator[Found | PassedOver]) -> tuple[ScannedFile, ...]:
        listed = list(names)
        candidates = [name for name in listed if isinstance(name, Found)]
        self.on_event(Listed(len(candidates), sum(file.size_bytes for file in candidates)))
        for name in listed:
            if isinstance(name, PassedOver):
                self._settle(name.relative, Status.FAILED if name.failed else Status.IGNORED, name.reason)
        moving = [file for file in candidates if not self._is_known(file)]
        for file in settle(self.root, moving, self.patience):
            self._take_in_settled(file)
        return tuple(self.settled[name.relative] for name in listed)

    def _is_known(self, file: Found) -> bool:
        """What was digested before and has the same size and modification time needs neither waiting nor reading."""
        known = self.intake.known_digest(file)
        if known is not None:
            self._note(file, self.intake.take_in(file, known))
        return known is not None

    def _take_in_settled(self, file: Found | Restless) -> None:
        if isinstance(file, Restless):
            gone = file.reason == "vanished"
            self._settle(file.found.relative, Status.IGNORED if gone else Status.DEFERRED, file.reason)
            return
        try:
            self._take_in(file)
        except ChangedWhileRead as change:
            self._settle(file.relative, Status.DEFERRED, change.reason, file.size_bytes)
        except PermanentError as error:
            self._settle(file.relative, Status.FAILED, error.reason, file.size_bytes)
        except PermissionError:
            self._settle(file.relative, Status.FAILED, "permission_denied", file.size_bytes)
        except OSError:
            self._settle(file.relative, Status.FAILED, "unreadable", file.size_bytes)

    def _take_in(self, file: Found) -> None:
        refused = refusal(self.root, file.relative)
        if refused is not None:
            status = Status.FAILED if refused.failed else Status.UNSUPPORTED
            self._settle(file.relative, status, refused.reason, file.size_bytes)
            return
        sha256 = digest(self.root, file, self._reading(file))
        self._note(file, self.intake.take_in(file, sha256))

    def _reading(self, file: Found) -> Callable[[int], None]:
        path = self.root / file.relative
        return lambda done: self.on_event(Digesting(path, done, file.size_bytes))

    def _settle(self, relative: PurePath, status: Status, reason: str, size_bytes: int = 0) -> None:
        path = self.root / relative
        self.settled[relative] = ScannedFile(path, status, reason, size_bytes=size_bytes)
        self.on_event(Settled(self.settled[relative]))

    def _note(self, file: Found, scanned: ScannedFile) -> None:
        self.settled[file.relative] = scanned
        self.on_event(Settled(scanned))
