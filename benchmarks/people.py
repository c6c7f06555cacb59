"""How many people, vehicles, screens and plates one look finds, what it takes for them, and what it costs."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np

from benchmarks.machine import ROOT, machine, test_media, versions
from benchmarks.plates import plated
from benchmarks.things_truth import GROUPS, Annotated, Picture, Verdict, annotated_pictures, false_alarms, judged
from opendrape.adapters.policy_files import read_policy
from opendrape.domain.policy import DetectRule, Role
from opendrape.domain.things import Thing
from opendrape.errors import ModelMissing
from opendrape.settings import Settings, shipped
from opendrape_masker.detectors import Detector, available, build_detector
from opendrape_masker.detectors.nobody_inside import FACE_SCORE, NobodyInside
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.models_sync import sync

_OUT = ROOT / "docs" / "benchmarks"
_FULL = read_policy((shipped("policies"),), "full")
_GROW = 0.05  # as the figures that others published on these pictures
_FRAMES, _STEP = 10, 29  # of every clip without people
Mask = tuple[Box, Thing]


@dataclass(frozen=True, slots=True)
class Row:
    """One detector at one size and threshold. Shares of true boxes hidden to 90 % and to 50 %, by group and size."""

    model: str
    long_side: int
    score: float
    grow: float
    hidden: dict[str, tuple[float, float, int]]
    false_alarms: dict[str, int]
    masks: dict[str, int]
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Eye:
    """A detector with its size, lowest score and growth."""

    detector: Detector
    long_side: int
    score: float
    grow: float

    def see(self, picture: Picture) -> list[Mask]:
        """Grown boxes in pixels of the picture, clipped."""
        scale = self.long_side / max(picture.shape[:2])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method), np.uint8)
        hits = (hit for hit in self.detector.detect([small], [0])[0] if hit.score >= self.score)
        grown = ((Box(h.x0, h.y0, h.x1, h.y1).grown(self.grow), h.thing) for h in hits)
        whole = ((Box(*(side / scale for side in box.corners)), thing) for box, thing in grown)
        height, width = picture.shape[:2]
        return [(inside, thing) for box, thing in whole if (inside := box.clipped(width, height)) is not None]


def measure(eyes: Sequence[Eye], pictures: Sequence[Annotated]) -> Row:
    """All pictures seen by eyes of the same model and threshold (one per role)."""
    verdicts: list[Verdict] = []
    wrong, made = dict.fromkeys(GROUPS, 0), dict.fromkeys(GROUPS, 0)
    spent = 0.0
    for one in pictures:
        before = _cpu_seconds()
        masks = [mask for eye in eyes for mask in eye.see(one.picture)]
        spent += _cpu_seconds() - before
        verdicts += judged(one.truths, masks)
        for group, things in GROUPS.items():
            wrong[group] += false_alarms(one.truths, masks, group)
            made[group] += sum(thing in things for _, thing in masks)
    eye = eyes[0]
    cost = 1000 * spent / (len(pictures) * len(eyes))
    return Row(
        eye.detector.model.name, eye.long_side, eye.score, eye.grow, _hidden(verdicts), wrong, made, round(cost, 1)
    )


def _hidden(verdicts: Sequence[Verdict]) -> dict[str, tuple[float, float, int]]:
    found = {}
    for group in GROUPS:
        for size, chosen in (("all", False), ("large", True)):
            shares = [v.hidden for v in verdicts if v.group == group and (v.large or not chosen)]
            if shares:
                known = np.array(shares)
                found[f"{group} {size}"] = (
                    round(float(np.mean(known >= 0.9)), 3),
                    round(float(np.mean(known >= 0.5)), 3),
                    len(shares),
                )
    return found


def plate_rows(eyes: dict[str, Sequence[Eye]], pictures: list[Annotated]) -> dict[str, tuple[float, float, int]]:
    """Share of the painted plates that each set of eyes hides, to 90 % and to 50 %."""
    shares: dict[str, list[float]] = {name: [] for name in eyes}
    for one in plated(pictures):
        for name, together in eyes.items():
            masks = [box for eye in together for box, _ in eye.see(one.picture)]
            shares[name] += [covered_share(plate, masks) for plate in one.plates]
    return {
        name: (round(float(np.mean(np.array(s) >= 0.9)), 3), round(float(np.mean(np.array(s) >= 0.5)), 3), len(s))
        for name, s in shares.items()
    }


def masked_shares(eyes: Sequence[Eye], clip: Path) -> float:
    """Mean share of the picture that is masked, over some frames of a clip."""
    shares = []
    for picture in _frames(clip):
        whole = Box(0, 0, picture.shape[1], picture.shape[0])
        shares.append(covered_share(whole, [box for eye in eyes for box, _ in eye.see(picture)]))
    return round(float(np.mean(shares)), 4)


def faces_under(eyes: Sequence[Eye], clip: Path) -> tuple[int, int]:
    """Of the true faces in some frames of a clip: how many lie under masks to 90 %, and how many there are."""
    truth = json.loads(clip.with_suffix(".face_gt.json").read_text(encoding="utf-8"))["frames"]
    covered = total = 0
    for number, picture in enumerate(_frames(clip)):
        masks = [box for eye in eyes for box, _ in eye.see(picture)]
        for face in truth.get(str(number * _STEP), ()):
            if face.get("label") != "optional":
                total += 1
                covered += covered_share(Box(*face["box"]), masks) >= 0.9
    return covered, total


def _frames(clip: Path) -> Iterator[Picture]:
    with av.open(str(clip)) as container:
        stream = next(one for one in container.streams.video if not one.disposition & one.disposition.attached_pic)
        for frame in islice(container.decode(stream), 0, _FRAMES * _STEP, _STEP):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


Purpose = Literal["detect", "residual"]
Build = Callable[[Role, Purpose, float], Detector]


def builder(session: OnnxRuntimeSession, settings: Settings) -> Build:
    """``(role, purpose, lowest score)`` -> the detector that the masker would take."""
    places = settings.model_repository
    return lambda role, purpose, floor: build_detector(
        role, session=session, repository=places, purpose=purpose, floor_score=floor
    )


def _policy_eyes(build: Build, *, doubting: bool) -> list[Eye]:
    """People, vehicles and screens exactly as policy `full` looks for them, one look alone."""
    eyes = []
    for rule in (r for r in _FULL.detect if r.role in (Role.PERSON_VEHICLE, Role.SCREEN)):
        detector = build(rule.role, "detect", rule.weak_score)
        if doubting and rule.role is Role.PERSON_VEHICLE:
            detector = NobodyInside(detector, build(Role.FACE, "detect", FACE_SCORE))
        eyes.append(_eye(rule, detector))
    return eyes


def _eye(rule: DetectRule, detector: Detector) -> Eye:
    return Eye(detector, rule.long_side_pixels[0], rule.strong_score, rule.grow)


def _text_eye(build: Build) -> Eye:
    rule = next(r for r in _FULL.detect if r.role is Role.TEXT)
    return _eye(rule, build(Role.TEXT, "detect", rule.weak_score))


def _synced(settings: Settings) -> Path:
    """The folder of models that benchmarks share, filled with what can be had."""
    mirror = settings.mirror or ROOT.parent / "shared" / "models"
    folder = ROOT / ".cache" / "bench-state" / "models"
    with contextlib.suppress(ModelMissing):  # what is missing shows below
        sync(settings.model_repository, folder, mirror=mirror if mirror.is_dir() else None)
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Measure and write page and JSON; 2 when there are no pictures or no models (`opendrape models sync`)."""
    from benchmarks.people_page import page

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for people.md and people.json")
    options = parser.parse_args(arguments)
    settings, media = Settings(), test_media()
    session = OnnxRuntimeSession(_synced(settings), 2, 60.0)
    names = available(Role.PERSON_VEHICLE, session=session, repository=settings.model_repository)
    pictures = list(annotated_pictures(media / "images_coco"))
    if not pictures or not names:
        return 2
    build = builder(session, settings)
    facts: dict[str, dict[str, Any]] = {"machine": machine(), "versions": versions()}
    facts |= _figures(build, pictures, media, len(names) > 1)
    if available(Role.PLATE, session=session, repository=settings.model_repository):
        plate = Eye(build(Role.PLATE, "detect", 0.2), 640, 0.2, 0.2)
        facts["plates"] |= plate_rows({"plate detector, whole picture, score 0.2": [plate]}, pictures)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "people.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (options.out / "people.md").write_text(page(facts), encoding="utf-8")
    return 0


def _figures(build: Build, pictures: list[Annotated], media: Path, two_families: bool) -> dict[str, dict[str, Any]]:
    roles = (Role.PERSON_VEHICLE, Role.SCREEN)
    rows = {"policy `full`, one look": measure(_policy_eyes(build, doubting=True), pictures)}
    purposes: tuple[Purpose, ...] = ("detect", "residual") if two_families else ("detect",)
    for purpose in purposes:
        for side in (416, 512, 640):
            for score in (0.1, 0.25, 0.4):
                eyes = [Eye(build(role, purpose, 0.06), side, score, _GROW) for role in roles]
                row = measure(eyes, pictures)
                rows[f"{row.model} {side} {score}"] = row
    plain, doubting = (_policy_eyes(build, doubting=doubt) for doubt in (False, True))
    clips = sorted((media / "surgical").glob("*.mp4"))
    people = sorted(path for path in (media / "clips").glob("*.mp4") if path.with_suffix(".face_gt.json").is_file())
    text = _text_eye(build)
    return {
        "rows": {name: asdict(row) for name, row in rows.items()},
        "tissue": {clip.name: (masked_shares(plain, clip), masked_shares(doubting, clip)) for clip in clips},
        "faces": {clip.name: faces_under(doubting, clip) for clip in people},
        "plates": {**plate_rows({"vehicles": doubting, "text": [text], "policy `full`": [*doubting, text]}, pictures)},
    }


if __name__ == "__main__":
    raise SystemExit(main())
