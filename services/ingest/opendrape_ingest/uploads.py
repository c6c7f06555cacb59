"""How a complete upload becomes a registered video, once, also when the process dies on the way (I-01, I-04)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Final, Protocol

from opendrape.adapters.upload_folder import UploadFolder
from opendrape.domain.policy import Policy
from opendrape.domain.uploads import UPLOAD_PREFIX, WITHOUT_BYTES, Upload, UploadState
from opendrape.errors import IllegalTransition, PermanentError, PolicyInvalid, StorageUnavailable, TransientError
from opendrape.logging import get_log
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.key_map import KeyMap
from opendrape.ports.uploads import Uploads
from opendrape.settings import Settings
from opendrape_ingest.beneath import stat_file
from opendrape_ingest.digest import digest
from opendrape_ingest.discover import Found
from opendrape_ingest.original_retention import OriginalRetention
from opendrape_ingest.recognise import refusal
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.register import ACTOR, Register

_EVERY_SECONDS: Final = 0.5
_TIDY_SECONDS: Final = 60.0
_KEPT: Final = timedelta(days=7)
_BATCH: Final = 10
_log = get_log("ingest")


class Policies(Protocol):
    """Where a policy's name leads, and where it is remembered."""

    def get(self, name: str) -> Policy: ...
    def remember(self, policy: Policy) -> None: ...


@dataclass
class UploadIntake:
    """Takes complete uploads up. May run anywhere, any number of times: every step can be done again.

    The bytes stay where they are: they are the original from now on. Those of a content that has an original already,
    or that is refused, are removed.
    """

    uploads: Uploads
    catalogue: Catalogue
    key_map: KeyMap
    policies: Policies
    clock: Clock
    settings: Settings
    record_number: RecordNumberRule
    _tidied_at: float | None = field(default=None, init=False)

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set. What does not answer is waited for; anything else ends the call."""
        while not stop.is_set():
            try:
                self.tick()
            except TransientError as error:
                _log.warning("uploads_waiting", reason=error.reason)
            stop.wait(_EVERY_SECONDS)

    def tick(self) -> int:
        """Take up what is complete; tidy when it is time to. Returns how many uploads were settled."""
        waiting = self.uploads.in_states({UploadState.COMPLETE}, limit=_BATCH, prefix=UPLOAD_PREFIX)
        for upload in waiting:
            self._settle(upload)
        now = self.clock.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_SECONDS:
            self._tidied_at = now
            tidy_uploads(self.uploads, self._folder, self.key_map, self.clock)
            days = self.settings.retention.upload_days
            OriginalRetention(self.catalogue, self.key_map, self._folder, self.clock, days).sweep()
        return len(waiting)

    @property
    def _folder(self) -> UploadFolder:
        return UploadFolder(self.settings.uploads_dir)

    def _settle(self, upload: Upload) -> None:
        try:
            self._take_up(upload)
        except IllegalTransition:
            _log.info("upload_settled_by_another")

    def _take_up(self, upload: Upload) -> None:
        path = self._folder.path(upload.upload_id)
        try:
            asset_id = self._register(upload)
        except (PermanentError, PolicyInvalid) as error:
            self.uploads.close(upload.upload_id, UploadState.REFUSED, reason=error.reason, actor=ACTOR)
            _forget(upload.upload_id, self._folder, self.key_map)
            _log.info("upload_refused", reason=error.reason, size_bytes=upload.length)
            return
        except OSError as error:
            raise StorageUnavailable(reason="source_unreadable") from error
        self.uploads.registered(upload.upload_id, asset_id)
        if self._has_another_original(asset_id, path, upload.length):
            self._folder.remove(upload.upload_id)
        _log.info("upload_registered", asset_id=asset_id, size_bytes=upload.length)

    def _register(self, upload: Upload) -> str:
        path = self._folder.path(upload.upload_id)
        name = self._original_name(path)
        found = self._found(path, upload)
        _must_be_video(path)
        content_sha256 = digest(path.parent, found, _unheard)
        if upload.declared_sha256 not in (None, content_sha256):
            raise PermanentError(reason="upload_differs")
        policy = self.policies.get(upload.policy_name)
        self.policies.remember(policy)
        register = Register(self.catalogue, self.key_map, policy.reference, self.record_number, path.parent)
        asset_id = register.take_in(found, content_sha256, original_name=name).asset_id
        assert asset_id is not None
        return asset_id

    def _original_name(self, path: Path) -> str | None:
        known = self.key_map.known_source(str(path))
        return known[1].original_name if known else None

    def _found(self, path: Path, upload: Upload) -> Found:
        try:
            facts = stat_file(path.parent, PurePath(path.name))
        except OSError:
            raise PermanentError(reason="source_gone") from None
        if facts.st_size != upload.length:
            raise PermanentError(reason="upload_differs")
        return Found(PurePath(path.name), facts.st_size, facts.st_mtime_ns)

    def _has_another_original(self, asset_id: str, path: Path, size_bytes: int) -> bool:
        """Of two uploads that are taken up at the same time only the later name may go."""
        others = (Path(record.path) for record in self.key_map.sources(asset_id) if record.path != str(path))
        first = (other for other in others if other.parent != path.parent or other.name < path.name)
        return any(other.is_file() and other.stat().st_size == size_bytes for other in first)


def tidy_uploads(uploads: Uploads, folder: UploadFolder, key_map: KeyMap, clock: Clock) -> int:
    """A chore: end uploads that were left lying, remove bytes and names that nobody needs, forget old rows.

    Returns how many files were removed. Safe to run anywhere, any time; a file of a living upload is never touched.
    """
    uploads.expire()
    names = folder.names()
    states = uploads.states_of(names)
    spent = [name for name in names if states.get(name) in WITHOUT_BYTES]
    for name in spent:
        _forget(name, folder, key_map)
    uploads.forget_before(clock.now() - _KEPT)
    return len(spent)


def _forget(upload_id: str, folder: UploadFolder, key_map: KeyMap) -> None:
    """The name first: bytes without a name are found again by the next tidying, a name without bytes is not."""
    key_map.forget_source(str(folder.path(upload_id)))
    folder.remove(upload_id)


def _must_be_video(path: Path) -> None:
    refused = refusal(path.parent, PurePath(path.name))
    if refused is not None:
        raise PermanentError(reason=refused.reason)


def _unheard(_done: int) -> None:
    pass
