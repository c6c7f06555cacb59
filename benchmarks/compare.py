"""What ``make bench`` runs: speed, then recall, both with small defaults."""

from __future__ import annotations

import sys

from benchmarks import recall, speed
from benchmarks.machine import ROOT, test_media


def main() -> int:
    """Both, even when the first one fails; pages are written to ``docs/benchmarks``."""
    if not test_media().is_dir():
        sys.stderr.write("no clips: set OPENDRAPE_TEST_MEDIA to the folder with the test media\n")
        return 2
    failures = [speed.main([]), recall.main([])]
    for name in ("speed.md", "recall.md"):
        sys.stdout.write((ROOT / "docs" / "benchmarks" / name).read_text(encoding="utf-8") + "\n")
    return max(failures)


if __name__ == "__main__":
    raise SystemExit(main())
