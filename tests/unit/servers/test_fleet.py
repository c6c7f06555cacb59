"""O-03: a service that ends by itself is started again, as a platform does; one that a test took down stays down."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.fleet import Service, kept_running
from tests.servers.process import Running, start


class _Shortlived(Service):
    """Ends by itself after a moment, unless it was told to stay."""

    stays = False

    def _launch(self) -> Running:
        self.is_wanted = True
        self.folder.mkdir(parents=True, exist_ok=True)
        script = "import time; time.sleep(60)" if self.stays else "pass"
        self.process = start([sys.executable, "-S", "-c", script], log=self.folder / "log.txt")
        return self.process


def _service(folder: Path, name: str) -> _Shortlived:
    return _Shortlived("masker", name, 1, folder / name, {}, folder / "state")


def _until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def test_what_ends_by_itself_is_started_again_and_what_was_taken_down_is_not(tmp_path: Path) -> None:
    """O-03: a service that finds no catalogue when it starts ends; nobody of the test starts it again."""
    ended, down = _service(tmp_path, "ended"), _service(tmp_path, "down")
    down.stays = True
    try:
        ended.launch()
        down.launch()
        with kept_running([ended, down], seconds=0.02) as revived:
            down.take_down(Running.kill)
            assert _until(lambda: revived["ended"] >= 2)
            ended.stays = True
            assert _until(lambda: ended.process is not None and ended.process.is_alive())
        assert set(revived) == {"ended"}
        assert down.process is not None
        assert not down.process.is_alive()
    finally:
        for one in (ended, down):
            one.take_down(Running.stop)
    assert not ended.revive(), "taken down"
