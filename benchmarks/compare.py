"""What ``make bench`` runs: speed, recall, and what one look finds of people and vehicles, with small defaults."""

from __future__ import annotations

import sys

from benchmarks import people, recall, speed
from benchmarks.machine import ROOT, test_media


def main() -> int:
    """All, even when one fails; pages are written to ``docs/benchmarks``."""
    if not test_media().is_dir():
        sys.stderr.write("no clips: set OPENDRAPE_TEST_MEDIA to the folder with the test media\n")
        return 2
    failures = [speed.main([]), recall.main([]), people.main([])]
    for name in ("speed.md", "recall.md", "people.md"):
        sys.stdout.write((ROOT / "docs" / "benchmarks" / name).read_text(encoding="utf-8") + "\n")
    return max(failures)


if __name__ == "__main__":
    raise SystemExit(main())
