"""What a policy would mask in self-test videos, without encoding: a network is asked once, its answers are kept.

A policy can so be tried in seconds instead of minutes. Looks, opinions, reading, linking and the painter's rectangles
are the engine's own; boxes are judged instead of pixels, and there is no second look: what that would still find counts
as missed. Processor time of the looks is the one that was measured when each answer was first asked for. The models are
those that ``python -m benchmarks.selftest`` brought.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.machine import ROOT, test_media
from benchmarks.selftest import Entry, entries
from opendrape.adapters.policy_files import read_policy
from opendrape.domain.policy import Policy
from opendrape.domain.timeline import FrameSpan
from opendrape.media.probing import Probed, probe_in_child
from opendrape.settings import Settings
from opendrape_masker.children import limits_of
from opendrape_masker.chunk_child import Detectors
from opendrape_masker.engine.looking import Watch, rules_for, watch_for
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.regions import PixelRect
from opendrape_masker.engine.render import Job
from opendrape_masker.inference.port import InferenceSession, Pictures, Tensors
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.orders import MaskOrder
from opendrape_masker.selftest.judge_child import gaps_of
from opendrape_masker.selftest.judging import Judge
from opendrape_masker.selftest.running import Trial, make_video, solid
from opendrape_masker.selftest.verdicts import EventVerdict, Tally, tally
from opendrape_masker.synthetic.suite import SuiteTruth

_STATE: Final = ROOT / ".cache" / "selftest-state"
_CACHE: Final = ROOT / ".cache" / "replay"
_FILL: Final = 16


@dataclass
class Remembering:
    """An inference port that asks another one once: answers lie in ``folder``, by model and picture."""

    inner: InferenceSession
    folder: Path
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Processor seconds of the network by model and size, as measured when it was asked."""

    def infer(self, model: str, batch: Pictures) -> Tensors:
        """See ``InferenceSession.infer``."""
        digest = hashlib.blake2b(np.ascontiguousarray(batch).data, digest_size=16, person=model.encode()[:16])
        path = self.folder / model / f"{digest.hexdigest()}-{'x'.join(map(str, batch.shape))}.npz"
        if path.is_file():
            with np.load(path) as kept:
                answer = {name: kept[name] for name in kept.files}
        else:
            started = time.thread_time()
            answer = dict(self.inner.infer(model, batch))
            answer["_seconds"] = np.array(time.thread_time() - started)
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}.part")
            with unfinished.open("wb") as file:
                np.savez_compressed(file, **answer)
            unfinished.rename(path)
        self.spent[f"{model} {batch.shape[2]}"] += float(answer.pop("_seconds"))
        return answer

    def source_digest(self, model: str) -> str | None:
        """See ``InferenceSession.source_digest``."""
        return self.inner.source_digest(model)

    def labels(self, model: str) -> tuple[str, ...]:
        """See ``InferenceSession.labels``."""
        return self.inner.labels(model)


class _Detectors(Detectors):
    """The child's own, on answers that are remembered."""

    def __init__(self, order: MaskOrder, cache: Path) -> None:
        super().__init__(order)
        self.remembering = Remembering(
            OnnxRuntimeSession(order.models_dir, threads=1, deadline_seconds=order.inference_seconds), cache
        )
        self._session = self.remembering


@dataclass(frozen=True)
class Outcome:
    """What would be masked in one video; processor seconds of the networks by model and longest side."""

    entry: Entry
    events: tuple[EventVerdict, ...]
    masked_elsewhere: float
    spent: dict[str, float]
    seconds: float


def replay(entry: Entry, policy: Policy, cache: Path) -> Outcome:
    """One video of the suite, made when it is not there yet."""
    settings = Settings(state_dir=_STATE)
    policy = solid(policy)
    video, truth = _made(entry, policy, settings, cache / "suite")
    with video.open("rb") as file:
        probed = probe_in_child(file.fileno(), settings)
        order = _order(settings, policy, file.fileno(), probed, cache)
        detectors = _Detectors(order, cache / "answers")
        watches = _looked(order, probed, detectors)
    judge = Judge(truth, _FILL, gaps_of(policy))
    for frame, rectangles in enumerate(_planned(watches, policy, probed)):
        judge.see(frame, _shown(truth), _shown(truth, rectangles))
    return Outcome(
        entry=entry,
        events=tuple(judge.verdicts()),
        masked_elsewhere=judge.masked_elsewhere,
        spent=dict(detectors.remembering.spent),
        seconds=len(probed.timeline) / float(truth.rate),
    )


def _shown(truth: SuiteTruth, rectangles: Sequence[PixelRect] = ()) -> np.ndarray:
    """A bright picture, and what is painted on it."""
    picture = np.full((truth.height, truth.width), 255, np.uint8)
    for rect in rectangles:
        picture[rect.y0 : rect.y1, rect.x0 : rect.x1] = _FILL
    return picture


def _made(entry: Entry, policy: Policy, settings: Settings, folder: Path) -> tuple[Path, SuiteTruth]:
    name = hashlib.blake2b(repr(entry).encode(), digest_size=8).hexdigest()
    video, truth = folder / f"{name}.mp4", folder / f"{name}.json"
    if not truth.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            made, told = make_video(_trial(entry), policy=policy, settings=settings, folder=Path(work))
            made.rename(video)
            told.rename(truth)
    return video, SuiteTruth.read(truth)


def _trial(entry: Entry) -> Trial:
    media = test_media()
    given = dict(zip(entry.options[::2], entry.options[1::2], strict=True))
    photographs = media / "images_faces"
    return Trial(
        number=1,
        clip=media / entry.clip if entry.clip else None,
        seed=entry.seed,
        events=int(given["--events"]),
        seconds=float(given.get("--seconds", 20)),
        width=int(given.get("--width", 1280)),
        height=int(given.get("--height", 720)),
        photographs=photographs if photographs.is_dir() else None,
    )


def _order(settings: Settings, policy: Policy, descriptor: int, probed: Probed, folder: Path) -> MaskOrder:
    timeline = folder / f"{os.getpid()}.timeline"
    timeline.write_bytes(probed.timeline.to_bytes())
    return MaskOrder(
        descriptor=descriptor,
        media=probed.media,
        timeline=timeline,
        start=0,
        end=len(probed.timeline),
        policy=policy,
        limits=limits_of(settings),
        threads=1,
        window_bytes=settings.masker.window_memory_bytes,
        models_dir=settings.models_dir.absolute(),
        model_repository=tuple(path.absolute() for path in settings.model_repository),
        inference_seconds=settings.models.deadline_seconds,
        folder=folder,
    )


def _looked(order: MaskOrder, probed: Probed, detectors: Detectors) -> list[Watch]:
    """Every look of every rule, answered."""
    media, timeline = probed.media, probed.timeline
    job = Job(order.descriptor, media, timeline, order.span, order.policy, (), order.limits.typed(), 1, 0)
    rules = rules_for(media.width, media.height, order.policy.detect)
    watches = [watch_for(rule, detectors(rule), media, timeline) for rule in rules]
    whole = FrameSpan(0, len(timeline))
    with ThreadPoolExecutor(1) as pool:
        for picture in job.wanted_pictures(whole, lambda frame: any(watch.wants(frame) for watch in watches)):
            for watch in watches:
                watch.offer(picture, pool)
                watch.keep_up(0)
    for watch in watches:
        watch.settle(tick=timeline.end_tick)
    return watches


def _planned(watches: Sequence[Watch], policy: Policy, probed: Probed) -> Iterator[list[PixelRect]]:
    painter = Painter.of(policy.mask, probed.media)
    for frame in range(len(probed.timeline)):
        yield painter.rectangles([target for watch in watches for target in watch.line.targets(frame)])


def unseen(seeds: Sequence[int]) -> list[Entry]:
    """The suite's carriers with other seeds."""
    kinds = {entry.carrier: entry for entry in entries()}
    return [replace(entry, seed=seed) for seed in seeds for entry in kinds.values()]


def main(arguments: list[str] | None = None) -> int:
    """Say what would be found, and what it costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="faces", help="a policy's name, or its file")
    parser.add_argument("--seeds", type=int, nargs="*", default=(), help="other seeds than the suite's, every carrier")
    parser.add_argument("--only", default="", help="carriers whose name holds this")
    parser.add_argument("--cache", type=Path, default=_CACHE, help="where videos and answers are kept")
    options = parser.parse_args(arguments)
    policy = _policy(options.policy)
    chosen = [one for one in (unseen(options.seeds) if options.seeds else entries()) if options.only in one.carrier]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = list(pool.map(replay, chosen, [policy] * len(chosen), [options.cache] * len(chosen)))
    print("\n".join(_told(outcomes)))
    return 0


def _policy(name: str) -> Policy:
    if name.endswith(".toml"):
        return Policy.model_validate(tomllib.loads(Path(name).read_text(encoding="utf-8")))
    return read_policy(Settings().policy_folders, name)


def _told(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        entry, wanted = outcome.entry, [event for event in outcome.events if event.promised]
        yield f"{entry.carrier} {entry.seed}: {_cell(tally(wanted))}, elsewhere {outcome.masked_elsewhere:.1%}"
        for event in wanted:
            if not event.found:
                open_frames = ", ".join(map(str, event.missed_frames))
                what = f"{event.name} {event.look} {event.course} {event.tall:.0f} px from {event.start_frame}"
                yield f"    {what}: {event.frames - event.covered}/{event.frames} open: {open_frames}"
    events = [event for outcome in outcomes for event in outcome.events]
    for kind in ("face", "text"):
        own = [event for event in events if event.kind == kind]
        promised, apart = (tally(one for one in own if one.promised is wanted) for wanted in (True, False))
        yield f"{kind}: {_cell(promised)}, apart {_cell(apart)}"
    yield f"all: {_cell(tally(one for one in events if one.promised))}"
    spent: dict[str, float] = defaultdict(float)
    for outcome in outcomes:
        for name, seconds in outcome.spent.items():
            spent[name] += seconds
    video = sum(outcome.seconds for outcome in outcomes)
    yield f"processor s a second of video: {sum(spent.values()) / video:.3f}: " + ", ".join(
        f"{name} {seconds / video:.3f}" for name, seconds in sorted(spent.items(), key=lambda one: -one[1])
    )


def _cell(counted: Tally) -> str:
    return f"{counted.events_found}/{counted.events} ({counted.frames_covered}/{counted.frames} frames)"


if __name__ == "__main__":
    raise SystemExit(main())
