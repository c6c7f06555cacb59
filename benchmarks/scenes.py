"""How much of a clip's time each scene rule takes: out-of-body recall, false blackout, still overlays, case sheet."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import ROOT, machine, test_media, versions
from opendrape.adapters.policy_files import read_policy
from opendrape.domain.policy import DetectRule, Policy, Role
from opendrape.domain.timeline import FrameSpan
from opendrape.media.limits import MediaLimits
from opendrape.media.probe import probe
from opendrape.settings import shipped
from opendrape_masker.detectors import Detector, build_detector
from opendrape_masker.detectors.out_of_body import BuiltInOutOfBody, out_of_body_score, scene_shares
from opendrape_masker.engine.body_time import BodyTime, RememberingDetector
from opendrape_masker.engine.pictures import View
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.scenes import survey_scene
from opendrape_masker.inference.session import OnnxRuntimeSession

_OUT = ROOT / "docs" / "benchmarks"
_INSIDE = ("laparoscopy_720p_10s.mp4", "laparoscopy_overlay_720p_5s.mp4")
_NEITHER = ("suturing_1080p_1s.mp4",)
_FOLDERS = ("surgical", "clips", "bench", "masked_faces")
_KINDS = (".mp4", ".mkv")
_EDGES = (0.1, 0.3, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class SceneResult:
    """One clip: its length, how much of it counts as out of the body, and what the survey says."""

    clip: str
    truth: str
    seconds: float
    masked_seconds: float
    certain_seconds: float
    overlays: str
    overlay_share: float
    case_sheet: str
    survey_cpu_seconds: float


def judge(clip: Path, policy: Policy, text: Detector) -> SceneResult:
    """Look at a clip as the masker does, without writing anything."""
    descriptor = os.open(clip, os.O_RDONLY)
    try:
        found = probe(descriptor, MediaLimits())
        span = FrameSpan(0, len(found.timeline))
        job = Job(descriptor, found.media, found.timeline, span, policy, (), MediaLimits(), 1, 1 << 30)
        scores = _scores(job, next(rule for rule in policy.detect if rule.role is Role.OUT_OF_BODY))
        scene = survey_scene(job, lambda: text, lambda: None)
    finally:
        os.close(descriptor)
    rule = next(rule for rule in policy.detect if rule.role is Role.OUT_OF_BODY)
    told = BodyTime(rule, policy.out_of_body.certain_score, found.timeline, span).intervals(scores)
    lengths = [(one, float(found.timeline.average_rate) or 1.0) for one in told]
    return SceneResult(
        clip=clip.name,
        truth="inside" if clip.name in _INSIDE else "open surgery" if clip.name in _NEITHER else "outside",
        seconds=round(float(found.timeline.duration), 2),
        masked_seconds=round(sum((o.end_frame - o.start_frame) / rate for o, rate in lengths if o.masked), 2),
        certain_seconds=round(
            sum((o.end_frame - o.start_frame) / rate for o, rate in lengths if o.certainty == "certain"), 2
        ),
        overlays=scene.facts.overlays + (f" ({scene.facts.overlays_why})" if scene.facts.overlays_why else ""),
        overlay_share=scene.facts.overlay_share,
        case_sheet=scene.facts.case_sheet,
        survey_cpu_seconds=round(scene.seconds, 2),
    )


def _scores(job: Job, rule: DetectRule) -> dict[int, float]:
    detector = RememberingDetector(BuiltInOutOfBody(rule.weak_score))
    looks = frozenset(job.timeline.looks(rule.max_gap_seconds))
    view = View.of(job.media, rule.long_side_pixels[0])
    for picture in job.pictures(job.span):
        if picture.index in looks:
            detector.detect([view.take(picture)], [picture.index])
    return detector.scores


def still_pictures(media: Path) -> list[float]:
    """Scores of photographs, none of which shows the inside of a body."""
    files = sorted([*media.glob("images_coco/*.jpg"), *media.glob("images_faces/*.jpg")])
    pictures = (cv2.imread(str(file)) for file in files)
    return [out_of_body_score(scene_shares(np.asarray(p, dtype=np.uint8))) for p in pictures if p is not None]


def page(results: list[SceneResult], stills: list[float]) -> str:
    """The page ``docs/benchmarks/scenes.md``."""
    return "\n".join(_lines(results, stills)) + "\n"


def _lines(results: list[SceneResult], stills: list[float]) -> Iterator[str]:
    used = ", ".join(f"{name} {value}" for name, value in versions().items())
    yield "# Scenes: out-of-body time, fixed overlays, case sheet\n"
    yield "Written by `python -m benchmarks.scenes`; do not edit. Policy `endoscopy`, built-in heuristic.\n"
    yield f"Versions: {used}.\n"
    for truth, word in (("outside", "recall"), ("inside", "false blackout"), ("open surgery", "blacked")):
        own = [one for one in results if one.truth == truth]
        whole, masked, certain = (
            sum(getattr(one, f"{kind}seconds") for one in own) for kind in ("", "masked_", "certain_")
        )
        if whole:
            yield f"- {truth}: {word} {masked / whole:.3f} of {whole:.1f} s, certain {certain / whole:.3f}"
    if stills:
        shares = ", ".join(f"{sum(s >= edge for s in stills) / len(stills):.3f} at {edge}" for edge in _EDGES)
        yield f"- outside, {len(stills)} photographs, share with a score of at least: {shares}"
    yield "\n| clip | truth | seconds | blacked | certain | overlays | share | sheet | survey, CPU s |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in results:
        cells = [str(value) for value in asdict(one).values()]
        yield f"| {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    """Judge the clips and write page and JSON; 1 when there are none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="clips; default: those of OPENDRAPE_TEST_MEDIA")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for scenes.md and scenes.json")
    parser.add_argument("--models", type=Path, default=ROOT / ".cache" / "models", help="materialised models")
    options = parser.parse_args(arguments)
    media = test_media()
    clips = options.clips or [f for d in _FOLDERS for f in sorted((media / d).glob("*")) if f.suffix in _KINDS]
    started = time.process_time()
    policy = read_policy((shipped("policies"),), "endoscopy")
    session = OnnxRuntimeSession(options.models, threads=1, deadline_seconds=120)
    text = build_detector(Role.TEXT, session=session, repository=shipped("model_repository"), floor_score=0.5)
    results = [judge(clip, policy, text) for clip in clips]
    stills = still_pictures(media)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "scenes.md").write_text(page(results, stills), encoding="utf-8")
    facts = {"machine": machine(), "versions": versions(), "cpu_seconds": round(time.process_time() - started, 1)}
    rows = {"clips": [asdict(one) for one in results], "photographs": stills}
    (options.out / "scenes.json").write_text(json.dumps(facts | rows, indent=1) + "\n", encoding="utf-8")
    return 0 if results else 1


if __name__ == "__main__":
    raise SystemExit(main())
