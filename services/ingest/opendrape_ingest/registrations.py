"""How a video that was named over HTTP and lies in the storage of originals becomes an asset, once (I-01, I-04)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Protocol

from opendrape.domain.policy import Policy
from opendrape.domain.uploads import REGISTRATION_PREFIX, UPLOAD_TRANSITIONS, Upload, UploadState, place_of
from opendrape.errors import (
    IllegalTransition,
    NotFound,
    PermanentError,
    PolicyInvalid,
    SourceChanged,
    StorageUnavailable,
    TransientError,
)
from opendrape.logging import get_log
from opendrape.media.kinds import HEAD_BYTES
from opendrape.ports.catalogue import Catalogue
from opendrape.ports.clock import Clock
from opendrape.ports.key_map import KeyMap
from opendrape.ports.originals import Original, Originals
from opendrape.ports.uploads import Uploads
from opendrape_ingest.recognise import judge
from opendrape_ingest.record_number import RecordNumberRule
from opendrape_ingest.register import ACTOR
from opendrape_ingest.register_blobs import RegisterBlobs

_EVERY_SECONDS: Final = 0.5
_TIDY_SECONDS: Final = 3600.0
_BATCH: Final = 100
_MANY: Final = 10_000
_OVER: Final = frozenset(state for state, after in UPLOAD_TRANSITIONS.items() if not after)
_log = get_log("ingest")


class Policies(Protocol):
    """Where a policy's name leads, and where it is remembered."""

    def get(self, name: str) -> Policy: ...
    def remember(self, policy: Policy) -> None: ...


@dataclass
class RegistrationIntake:
    """Takes registrations up. May run anywhere, any number of times: every step can be done again.

    The bytes stay where they are. What was named is the version that was there then: another one is refused, and is a
    registration of its own. The name is in the key map under the registration's id until this is settled.
    """

    uploads: Uploads
    catalogue: Catalogue
    key_map: KeyMap
    originals: Originals
    policies: Policies
    record_number: RecordNumberRule
    clock: Clock
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
        """Take up what waits; tidy when it is time to. Returns how many were waiting."""
        waiting = self.uploads.in_states({UploadState.COMPLETE}, limit=_BATCH, prefix=REGISTRATION_PREFIX)
        for upload in waiting:
            self._settle(upload)
        now = self.clock.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_SECONDS:
            self._tidied_at = now
            self._forget_names()
        return len(waiting)

    def _settle(self, upload: Upload) -> None:
        """One that cannot be read now (an archived blob, say) holds nobody up, and is not tried for ever."""
        try:
            self._take_up(upload)
        except IllegalTransition:
            _log.info("upload_settled_by_another")
        except StorageUnavailable as error:
            _log.warning("uploads_waiting", reason=error.reason)
            if upload.expires_at <= self.clock.now():
                self._refuse(upload, error.reason)

    def _take_up(self, upload: Upload) -> None:
        try:
            asset_id = self._register(upload)
        except (PermanentError, PolicyInvalid) as error:
            self._refuse(upload, error.reason)
            return
        self.uploads.registered(upload.upload_id, asset_id)
        self.key_map.forget_source(place_of(upload.upload_id))
        _log.info("upload_registered", asset_id=asset_id, size_bytes=upload.length)

    def _refuse(self, upload: Upload, reason: str) -> None:
        self.uploads.close(upload.upload_id, UploadState.REFUSED, reason=reason, actor=ACTOR)
        self.key_map.forget_source(place_of(upload.upload_id))
        _log.info("upload_refused", reason=reason, size_bytes=upload.length)

    def _register(self, upload: Upload) -> str:
        original = self._named(upload)
        not_a_video = judge(self.originals.head(original, HEAD_BYTES), PurePosixPath(original.name).suffix)
        if not_a_video is not None:
            raise PermanentError(reason=not_a_video.reason)
        policy = self.policies.get(upload.policy_name)
        self.policies.remember(policy)
        blobs = RegisterBlobs(self.catalogue, self.key_map, self.originals, policy.reference, self.record_number)
        return blobs.take_in(original).asset_id

    def _named(self, upload: Upload) -> Original:
        known = self.key_map.known_source(place_of(upload.upload_id))
        if known is None or known[1].original_name is None:
            raise SourceChanged(reason="source_gone")
        named = known[1]
        try:
            original = self.originals.look(known[1].original_name)
        except NotFound:
            raise SourceChanged(reason="source_gone") from None
        if (original.size_bytes, original.version) != (named.size_bytes, named.mtime_ns):
            raise SourceChanged
        return original

    def _forget_names(self) -> None:
        """Of registrations that ended when a process died, or were never completed."""
        for upload in self.uploads.in_states(_OVER, limit=_MANY, prefix=REGISTRATION_PREFIX):
            self.key_map.forget_source(place_of(upload.upload_id))
