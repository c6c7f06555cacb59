"""How is a scan shown while it reads: files and bytes, never a name on a line that may end in a log."""

from __future__ import annotations

from pathlib import Path

from opendrape.cli.progress import shown_progress
from opendrape.cli.terminal import Terminal
from opendrape.domain.policy import Policy
from opendrape_ingest.result import Digesting, Listed, ScanEvent, ScanResult, Settled
from opendrape_ingest.scan import ScanParts, scan


def scan_shown(
    terminal: Terminal, parts: ScanParts, source: Path, policy: Policy, *, dry_run: bool = False
) -> ScanResult:
    """Scan with progress on anything over two seconds."""
    with shown_progress(terminal, "reading") as shown:
        seen = _Seen()

        def on_event(event: ScanEvent) -> None:
            seen.note(event)
            shown(seen.fraction, f"{seen.settled}/{seen.files} files")

        return scan(parts, source, policy, dry_run=dry_run, on_event=on_event)


class _Seen:
    def __init__(self) -> None:
        self.files = self.total_bytes = self.settled = self.settled_bytes = self.reading_bytes = 0

    def note(self, event: ScanEvent) -> None:
        if isinstance(event, Listed):
            self.files, self.total_bytes = event.files, event.size_bytes
        elif isinstance(event, Digesting):
            self.reading_bytes = event.done_bytes
        elif isinstance(event, Settled):
            self.settled += 1
            self.settled_bytes += event.file.size_bytes
            self.reading_bytes = 0

    @property
    def fraction(self) -> float:
        return min(1.0, (self.settled_bytes + self.reading_bytes) / max(1, self.total_bytes))
