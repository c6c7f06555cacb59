"""How is a folder looked at again and again, without a word when nothing is new and without an end when it is away?"""

from __future__ import annotations

from pathlib import Path

from opendrape.bootstrap import Container
from opendrape.domain.policy import Policy
from opendrape.errors import ConfigurationError, TransientError
from opendrape.logging import get_log
from opendrape_ingest.result import Status
from opendrape_ingest.scan import scan

_log = get_log("serve")
_TOLD = (Status.NEW, Status.DUPLICATE, Status.DEFERRED, Status.UNSUPPORTED, Status.FAILED)


class WatchedFolder:
    """One folder under one policy. The first look insists on the folder; later it may go (a share that is unmounted)
    and come back.
    """

    def __init__(self, container: Container, folder: Path, policy: Policy) -> None:
        self._container, self._folder, self._policy = container, folder, policy
        self._seen_before: dict[Status, int] | None = None
        self._is_away = False

    def look(self) -> None:
        """Take in what is new. ``ConfigurationError`` when the folder cannot be watched at all."""
        try:
            counts = scan(self._container, self._folder, self._policy).counts
        except TransientError:
            _log.warning("scan_postponed", exc_info=True)
        except ConfigurationError as error:
            if self._seen_before is None or error.reason != "source_missing":
                raise
            self._note_presence(is_away=True)
        else:
            self._note_presence(is_away=False)
            self._tell(counts)
            self._seen_before = counts

    def _note_presence(self, *, is_away: bool) -> None:
        if is_away != self._is_away:
            self._is_away = is_away
            _log.warning("watched_folder", state="away" if is_away else "back")

    def _tell(self, counts: dict[Status, int]) -> None:
        """Counts that changed since the last look: a line every few seconds would hide what matters."""
        before = self._seen_before or {}
        for status in _TOLD:
            if counts[status] and counts[status] != before.get(status, 0):
                _log.info("files_seen", state=str(status), count=counts[status])
