"""How many true faces and texts this engine hides beside deface, by size, judged on the pixels of both outputs."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.contestants import Contestant, deface_at, run, this_engine
from benchmarks.coverage import SIZE_CLASSES, Judged, NotComparable, Verdict, judged, targets
from benchmarks.deface_venv import deface
from benchmarks.machine import ROOT, machine, test_media, versions

_OUT = ROOT / "docs" / "benchmarks"
_FEW = ("masked_faces/masked_people_handheld_720p_12s.mp4", "clips/signing_woman_640x480.mkv")
_TEXT = "surgical/laparoscopy_overlay_720p_5s.mp4"


@dataclass(frozen=True, slots=True)
class Score:
    """One contestant on one clip: boxes covered of boxes there, frames with an open box; or why nothing was judged."""

    clip: str
    contestant: str
    covered: int
    boxes: int
    open_frames: int
    by_size: dict[str, tuple[int, int]]
    failure: str = ""
    hidden: float | None = None
    """Mean share of the picture that became black; None in rows of before this was measured."""


def judge(clip: Path, contestant: Contestant) -> Score:
    """Run the contestant on the clip and judge its output."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        attempt = run(contestant, clip, out)
        if attempt.seconds is None:
            return _nothing(clip, contestant, attempt.failure)
        try:
            return _score(clip, contestant, judged(clip, out, targets(annotation_of(clip))))
        except NotComparable as reason:
            return _nothing(clip, contestant, f"not comparable: {reason}")


def annotation_of(clip: Path) -> Path:
    """The truth beside a clip."""
    kind = "text_gt" if clip.with_suffix(".text_gt.json").exists() else "face_gt"
    return clip.with_suffix(f".{kind}.json")


def _score(clip: Path, contestant: Contestant, seen: Judged) -> Score:
    found = seen.found
    open_frames = {one.frame for one in found if not one.covered}
    by_size = {f"{low}-{high}": _count(one for one in found if low <= one.size < high) for low, high in SIZE_CLASSES}
    covered, boxes = _count(found)
    return Score(clip.name, contestant.name, covered, boxes, len(open_frames), by_size, hidden=seen.hidden)


def _nothing(clip: Path, contestant: Contestant, failure: str) -> Score:
    return Score(clip.name, contestant.name, 0, 0, 0, {}, failure)


def _count(found: Iterable[Verdict]) -> tuple[int, int]:
    listed = list(found)
    return sum(one.covered for one in listed), len(listed)


def table(scores: list[Score]) -> str:
    """Markdown: per clip, then all clips that every contestant finished, by size."""
    names = list(dict.fromkeys(score.contestant for score in scores))
    lines = [f"| clip | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for clip in dict.fromkeys(score.clip for score in scores):
        cells = [_cell(score) for score in scores if score.clip == clip]
        lines.append(f"| {clip} | {' | '.join(cells)} |")
    return "\n".join([*lines, *_size_rows(scores, names)])


def _size_rows(scores: list[Score], names: list[str]) -> Iterator[str]:
    failed = {score.clip for score in scores if score.failure}
    whole = [score for score in scores if score.clip not in failed]
    for low, high in SIZE_CLASSES:
        key = f"{low}-{high}"
        cells = [_share([score.by_size[key] for score in whole if score.contestant == name]) for name in names]
        if any(cells):
            label = f"{low} px and more" if high >= 100_000 else f"{key} px"
            yield f"| *all, {label}* | {' | '.join(cell or '-' for cell in cells)} |"


def _cell(score: Score) -> str:
    if score.failure or not score.boxes:
        return score.failure or "no boxes"
    share = score.covered / score.boxes
    hidden = "" if score.hidden is None else f", {score.hidden:.0%} of the picture black"
    return f"{share:.3f} ({score.covered}/{score.boxes}, {score.open_frames} frames open{hidden})"


def _share(counts: list[tuple[int, int]]) -> str:
    covered, boxes = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    return f"{covered / boxes:.3f} ({covered}/{boxes})" if boxes else ""


def report(faces: list[Score], text: list[Score], peer_versions: tuple[str, ...]) -> str:
    """The page ``docs/benchmarks/recall.md``."""
    used = ", ".join([*(f"{name} {value}" for name, value in versions().items()), *peer_versions])
    return (
        "# Recall\n\nWritten by `make bench`; do not edit. A box counts as covered when at least 90 % of those of its\n"
        "pixels that were not black before are black in the output. deface paints solid here instead of blurring\n"
        "(same detector, same shape), so that its area can be seen. Boxes marked optional in the truth, and boxes\n"
        "less than half inside the picture, are left out. The rows by size hold only clips that every program\n"
        "finished with all frames. Whoever blackens everything covers everything: the mean share of the picture\n"
        "that became black stands beside it (true faces and lines are part of it), where it was measured.\n"
        f"\nVersions: {used}.\n\n## Faces\n\n{table(faces)}\n\n## Burned-in text (deface does not look for text)\n\n"
        f"{table(text)}\n"
    )


def annotated(media: Path) -> list[Path]:
    """Every video with a face truth beside it."""
    names = sorted(media.glob("*/*.face_gt.json"))
    stems = [path.with_name(path.name.removesuffix(".face_gt.json")) for path in names]
    kinds = (".mp4", ".mkv", ".gif")
    return [clip for stem in stems for kind in kinds if (clip := stem.with_name(stem.name + kind)).is_file()]


def kept_rows(path: Path, peer_versions: tuple[str, ...]) -> dict[tuple[str, str], Score]:
    """Rows of an earlier run by clip and contestant; none when the peers were of other versions then."""
    if not path.is_file():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    if tuple(facts["peer"]) != tuple(peer_versions):
        return {}
    rows = [Score(**row) for row in facts["faces"]]
    return {
        (row.clip, row.contestant): replace(row, by_size={k: tuple(v) for k, v in row.by_size.items()}) for row in rows
    }


def main(arguments: list[str] | None = None) -> int:
    """Judge and write page and JSON; 1 when this engine finished no clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="clips with a *.face_gt.json beside them")
    parser.add_argument("--all", action="store_true", help="every annotated clip (long)")
    parser.add_argument(
        "--keep-peers", action="store_true", help="the peers' rows of the last run, where they are there"
    )
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for recall.md and recall.json")
    options = parser.parse_args(arguments)
    media, peer, ours = test_media(), deface(), this_engine()
    clips = options.clips or (annotated(media) if options.all else [media / name for name in _FEW])
    field = [ours, deface_at(peer, scale=None, solid=True), deface_at(peer, scale="640x360", solid=True)]
    kept = kept_rows(options.out / "recall.json", peer.versions) if options.keep_peers else {}
    kept = {key: row for key, row in kept.items() if key[1] != ours.name}
    faces = [
        kept.get((clip.name, contestant.name)) or judge(clip, contestant) for clip in clips for contestant in field
    ]
    text = [judge(media / _TEXT, ours)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "recall.md").write_text(report(faces, text, peer.versions), encoding="utf-8")
    facts = {"machine": machine(), "versions": versions(), "peer": peer.versions}
    rows = {"faces": [asdict(one) for one in faces], "text": [asdict(one) for one in text]}
    (options.out / "recall.json").write_text(json.dumps(facts | rows, indent=1) + "\n", encoding="utf-8")
    return int(all(one.failure for one in faces if one.contestant == ours.name))


if __name__ == "__main__":
    raise SystemExit(main())
