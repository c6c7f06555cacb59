"""How does the command line ask for frames: through the service, and by working itself while nobody else does?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opendrape.adapters.local_blobs import LocalBlobStore
from opendrape.bootstrap import Container
from opendrape.cli.actor import actor
from opendrape.cli.configuration import policy_named
from opendrape.cli.exit_codes import ExitCode
from opendrape.cli.models import prepare_models
from opendrape.cli.progress import shown_progress
from opendrape.cli.terminal import Terminal
from opendrape.domain.frames import OPEN, FrameRequest, FrameState
from opendrape.embedded import embedded
from opendrape.errors import ConfigurationError
from opendrape.ledger.frame_service import FrameService, archive_of

_LOOK_SECONDS: Final = 0.3
_LARGEST_DIGITS: Final = 18

Wait = Callable[[float], None]


def as_wish(
    video_id: object, segment_ids: object, level: object = None, picture_format: object = None
) -> dict[str, Any]:
    """The wish in the service's form, whose reader finds what is wrong with it: ``"1,2,3"`` becomes a list."""
    wish = {"video_id": _number_or_text(video_id), "segment_ids": _numbers(segment_ids)}
    given = {"anonymization_level": level, "output_format": picture_format}
    return wish | {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class FrameDesk:
    """Asks, waits, saves and tells for one command."""

    container: Container
    terminal: Terminal

    @property
    def service(self) -> FrameService:
        """The same that the HTTP door uses."""
        return FrameService(self.container)

    def one(self, wish: dict[str, Any], *, run_async: bool, output: Path | None) -> ExitCode:
        """Ask; unless ``run_async``, wait for the end and save."""
        request = self.ask(wish)
        self.terminal.say(f"request {request.request_id}: {request.total_frames} frames")
        if not run_async:
            request = self.work_off(request)
            if request.state is FrameState.COMPLETED and output is not None:
                self.save(request, output)
        self.terminal.say(f"{request.state}" + (f": {request.reason}" if request.reason else ""))
        self.terminal.result({"request_id": request.request_id, "status": request.state, "reason": request.reason})
        return self.code_of(request)

    def ask(self, wish: dict[str, Any]) -> FrameRequest:
        """The request, taken. ``FramesRefused`` with every fault."""
        return self.service.start(wish, owner=actor(), actor=actor())

    def work_off(self, request: FrameRequest) -> FrameRequest:
        """Wait until it has ended. A running `opendrape serve` does the work; without one, this process does."""
        with self._somebody_works(request) as wait, shown_progress(self.terminal, "frames") as shown:
            while request.state in OPEN:
                wait(_LOOK_SECONDS)
                request = self.container.frames.request(request.request_id)
                done = request.processed_frames
                shown(done / request.total_frames, f"{done}/{request.total_frames} frames")
        return request

    def save(self, request: FrameRequest, output: Path) -> None:
        """Write the ZIP to a new file. ``BlobConflict`` when something else is there."""
        archive = archive_of(request)
        with self.container.work_blobs.local_path(archive.name) as path:
            LocalBlobStore(output.absolute().parent).put(output.name, path, sha256=archive.sha256)
        self.terminal.say(f"written: {archive.size_bytes} bytes, sha256 {archive.sha256}")

    @staticmethod
    def code_of(request: FrameRequest) -> ExitCode:
        """Open and finished requests are well."""
        return ExitCode.DELIVERED if request.state in OPEN | {FrameState.COMPLETED} else ExitCode.FAILED

    @contextmanager
    def _somebody_works(self, request: FrameRequest) -> Iterator[Wait]:
        settings = self.container.settings
        prepare_models(self.terminal, settings, policy_named(settings, request.policy.name))
        with ExitStack() as working:
            try:
                services = working.enter_context(embedded(self.container, notice=self.terminal.notice))
            except ConfigurationError as error:
                if error.reason != "state_in_use":
                    raise
                yield _pause
                return

            def wait(seconds: float) -> None:
                services.pause(seconds)
                services.check()

            yield wait


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _number_or_text(given: object) -> object:
    is_number = isinstance(given, str) and given.isdecimal() and len(given) <= _LARGEST_DIGITS
    return int(str(given)) if is_number else given


def _numbers(given: object) -> object:
    """A comma string as a list; anything that is none stays as it is, for the service to refuse."""
    if not isinstance(given, str):
        return given
    return [_number_or_text(part.strip()) for part in given.split(",") if part.strip()]
