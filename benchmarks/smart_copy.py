"""Is a spliced file the source wherever it was copied, to every decoder at hand? A table over many sources (V-11)."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from benchmarks.machine import ROOT, test_media, versions
from opendrape.media.assemble import prove
from opendrape.media.chunk_groups import prove_copied
from opendrape.media.scrub import survivors
from tests.integration.media.footage import LIMITS, descriptor, ffmpeg, shown
from tests.integration.media.splicing import Spliced, put_together, some, splice, strict_digests
from tests.integration.media.test_smart_copy import LONG, MADE, REAL, made, of_second_decoder

_OUT = ROOT / "docs" / "benchmarks" / "smart-copy.md"
_SEEKS = 20


@dataclass(frozen=True)
class Spliceable:
    """A source, what was made of it, and where."""

    source: Path
    out: Path
    spliced: Spliced

    def pick(self, values: list[str]) -> list[str]:
        """Those of the frames that were copied."""
        return [values[frame] for frame in self.spliced.copied_frames]


def is_proven(case: Spliceable) -> bool:
    """Our own proofs: packets, times, geometry, tags, nothing left behind."""
    found = case.spliced.found
    prove(case.out, list(case.spliced.chunks), media=found.media, timeline=found.timeline)
    with descriptor(case.source) as number:
        for chunk, span in zip(case.spliced.chunks, case.spliced.spans, strict=True):
            spans = [copied for copied in case.spliced.copied if copied.start in span]
            prove_copied(chunk, number, source=case.spliced.source, spans=spans, limits=LIMITS)
    return survivors(case.out) == ()


def is_identical(case: Spliceable) -> bool:
    """``framemd5`` of an independent FFmpeg: 100 % of the frames outside the touched groups."""
    return case.pick(list(shown(case.source).digests)) == case.pick(list(shown(case.out).digests))


def has_the_sources_times(case: Spliceable) -> bool:
    """Every frame, exactly, as an independent FFmpeg shows it."""
    found = case.spliced.found
    meant = [(tick - found.media.origin_tick) * found.timeline.time_base for tick in found.timeline.ticks]
    return list(shown(case.out).seconds) == meant


def seeks_exactly(case: Spliceable) -> bool:
    """Strict decoding from the start, and after each of twenty seeks."""
    frames = strict_digests(case.out)
    return strict_digests(case.out, at=some([tick for tick, _ in frames], _SEEKS)) == some(frames, _SEEKS)


def looks_alike_to_openh264(case: Spliceable) -> bool:
    """Copied frames as in the source, and none lost."""
    out = of_second_decoder(case.out)
    return len(out) == len(case.spliced.found.timeline) and case.pick(out) == case.pick(of_second_decoder(case.source))


def is_whole_to_gstreamer(case: Spliceable) -> bool | None:
    """Its own demuxer, parser and checksum: the digest of all frames is that of FFmpeg's; None where it is missing."""
    if shutil.which("gst-launch-1.0") is None:
        return None
    return _gstreamer(case.out) == _raw_digest(case.out)


CHECKS: dict[str, Callable[[Spliceable], bool | None]] = {
    "proven": is_proven,
    "identical": is_identical,
    "times": has_the_sources_times,
    "strict, seeks": seeks_exactly,
    "OpenH264": looks_alike_to_openh264,
    "GStreamer": is_whole_to_gstreamer,
}


def row(name: str, source: Path, folder: Path) -> str:
    """One source, spliced and judged, as a line of the table."""
    spliced = splice(source, folder)
    case = Spliceable(source, put_together(spliced, folder / "out.mp4"), spliced)
    verdicts = [check(case) for check in CHECKS.values()]
    said = ["-" if verdict is None else "yes" if verdict else "**no**" for verdict in verdicts]
    counts = (len(spliced.source.groups), len(spliced.found.timeline), len(spliced.copied_frames))
    return "| " + " | ".join([f"`{name}`", *map(str, counts), *said]) + " |"


def _gstreamer(path: Path) -> str:
    """A digest of what GStreamer shows, its own demuxer and parser in front of another FFmpeg's decoder."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        pipeline = f"filesrc location={path} ! qtdemux ! h264parse ! avdec_h264 ! videocodectestsink location={raw}"
        subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], check=True, capture_output=True, timeout=600)
        return _digest(raw)


def _raw_digest(path: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        ffmpeg("-noautorotate", "-i", path, "-map", "0:V:0", "-fps_mode", "passthrough", "-f", "rawvideo", raw)
        return _digest(raw)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def page(rows: list[str]) -> str:
    """The results as a page of the documentation."""
    head = ["source", "groups", "frames", "copied", *CHECKS]
    gstreamer = "with" if shutil.which("gst-launch-1.0") else "without"
    said = ", ".join(
        f"{name} {version}" for name, version in versions().items() if name in ("opendrape", "av", "ffmpeg")
    )
    return "\n".join(
        [
            "# Smart render: copied frames against their source",
            "",
            "`python -m benchmarks.smart_copy`: every second group of pictures is encoded anew, the others are copied.",
            f"{said}; {gstreamer} GStreamer. What the columns mean is in `benchmarks/smart_copy.py`.",
            "",
            "| " + " | ".join(head) + " |",
            "|" + " --- |" * len(head),
            *rows,
            "",
        ]
    )


def main() -> None:
    """Judge all sources and write the table; the first error ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_OUT)
    out: Path = parser.parse_args().out
    rows = []
    for name in (*MADE, *REAL, *LONG):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            source = made(name, folder) if name in MADE else test_media() / name
            rows.append(row(name, source, folder))
            print(rows[-1], flush=True)
    out.write_text(page(rows), "utf-8")


if __name__ == "__main__":
    main()
