"""What does a Triton server cost or bring, beside ONNX Runtime in the masking child: bare calls, and whole clips?

``python -m benchmarks.triton`` starts the test server (Python backend, processor). ``--url HOST:PORT`` measures one
that runs already, a GPU node's for instance: give ``--label`` the words that say what it is.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np

from benchmarks.contestants import run, this_engine
from benchmarks.machine import ROOT, machine, test_media, versions
from opendrape.settings import shipped
from opendrape_masker.inference.port import InferenceSession
from opendrape_masker.inference.relay import relayed
from opendrape_masker.inference.relayed_session import RelayedSession, RemoteModels
from opendrape_masker.inference.repository import read_repository
from opendrape_masker.inference.session import OnnxRuntimeSession
from opendrape_masker.inference.targets import Target
from opendrape_masker.inference.triton_session import TritonSession
from opendrape_masker.models_sync import sync

_OUT = ROOT / "docs" / "benchmarks"
_MIRROR = ROOT.parent / "shared" / "models"
_DEADLINE = 60.0
_SHAPES = (
    ("face_yunet_n", (1, 384, 640)),
    ("face_yunet_n", (8, 384, 640)),
    ("face_centerface", (1, 256, 448)),
    ("face_centerface", (4, 544, 960)),
    ("text_ppocr_v6_det_small", (1, 544, 960)),
    ("text_ppocr_v6_det_small", (2, 544, 960)),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """Pictures a second, and milliseconds of this process's own processor time for one picture."""

    rate: float
    own_milliseconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One model and batch, by way of asking; ``callers`` threads at once."""

    model: str
    shape: tuple[int, ...]
    callers: int
    paces: tuple[Pace, ...]


def bare(sessions: Sequence[InferenceSession], *, seconds: float, callers: Sequence[int]) -> Iterator[Row]:
    """Every model and shape, the ways in turn, three rounds; medians."""
    for model, shape in _SHAPES:
        batch = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
        for count in callers:
            rounds = [[_pace(session, model, batch, seconds / 3, count) for session in sessions] for _ in range(3)]
            yield Row(model, shape, count, tuple(map(_middle, zip(*rounds, strict=True))))


def _middle(paces: Sequence[Pace]) -> Pace:
    return Pace(median(pace.rate for pace in paces), median(pace.own_milliseconds for pace in paces))


def _pace(session: InferenceSession, model: str, batch: np.ndarray, seconds: float, callers: int) -> Pace:
    session.infer(model, batch)
    start, used = time.perf_counter(), time.process_time()

    def ask(_: int) -> int:
        done = 0
        while not done or time.perf_counter() - start < seconds:
            session.infer(model, batch)
            done += len(batch)
        return done

    with ThreadPoolExecutor(callers) as pool:
        pictures = sum(pool.map(ask, range(callers)))
    return Pace(pictures / (time.perf_counter() - start), 1000 * (time.process_time() - used) / pictures)


@contextmanager
def through_pipes(inner: InferenceSession, in_flight: int) -> Iterator[RelayedSession]:
    """As a masking child asks; here both ends share one process, so that this is the upper bound of the cost."""
    digests = {name: str(inner.source_digest(name)) for name, _ in _SHAPES}
    with relayed(inner, in_flight=in_flight, hang_up=lambda: None) as (requests, answers):
        yield RelayedSession(
            RemoteModels(requests=requests, answers=answers, deadline_seconds=_DEADLINE, digests=digests, labels={})
        )


def clips(paths: Sequence[Path], url: str, *, repeats: int) -> Iterator[str]:
    """The engine on each clip, with its own models and with the server's, interleaved; and whether the files agree."""
    own = this_engine()
    served = replace(own, name=f"{own.name}, through Triton", environment={"OPENDRAPE_TRITON__URLS": url})
    for clip in paths:
        frames, _ = imageio_ffmpeg.count_frames_and_secs(str(clip))
        rates: dict[str, list[float]] = {own.name: [], served.name: []}
        digests: set[str] = set()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.mp4"
            for each in (own, served) * repeats:
                attempt = run(each, clip, out)
                if attempt.seconds is None:
                    raise SystemExit(f"{each.name}: {attempt.failure}")
                rates[each.name].append(frames / attempt.seconds)
                digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
        agree = "All files are the same, byte for byte." if len(digests) == 1 else "The files differ."
        rows = [f"| {name} | {len(each)} | {median(each):.1f} |" for name, each in rates.items()]
        yield "\n".join([f"## {clip.name}\n", "| program | runs | median fps |", "|---|---|---|", *rows, f"\n{agree}"])


def report(label: str, rows: Sequence[Row], engine: Sequence[str], load: Sequence[float]) -> str:
    """The page ``docs/benchmarks/triton.md``."""
    shape = ", ".join(f"{name} {value}" for name, value in machine().items())
    used = ", ".join(f"{name} {value}" for name, value in versions().items())
    lines = [
        "# Triton beside ONNX Runtime in the child",
        "Written by `python -m benchmarks.triton`; do not edit. Trust ratios inside one table, not absolute figures.",
        f"\nServer: {label}.\n\nMachine: {shape}.\n\nVersions: {used}.",
        f"\nRunnable processes at the start and at the end: {load[0]:.0f} and {load[1]:.0f}." + _doubt(load),
        "\n## Bare calls\n",
        "Pictures a second; in brackets processor milliseconds of the asking process for one picture: the whole look",
        "where it looks itself, else what it costs to ask. In the last column it is at both ends of the pipes.",
        "",
        "| model | batch, height, width | callers | ONNX Runtime here | Triton | Triton through the child's pipes |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        paces = " | ".join(f"{pace.rate:.1f} ({pace.own_milliseconds:.1f} ms)" for pace in row.paces)
        lines.append(f"| {row.model} | {' x '.join(map(str, row.shape))} | {row.callers} | {paces} |")
    return "\n".join([*lines, *(f"\n{part}" for part in engine)]) + "\n"


def _doubt(load: Sequence[float]) -> str:
    if max(load) < 2 * (os.cpu_count() or 1):
        return ""
    return (
        " **Other work kept this machine busy: rates and frames per second below say nothing about speed**, only"
        " processor time and whether the files agree do."
    )


@contextmanager
def _server(url: str | None, models: Path) -> Iterator[str]:
    if url is not None:
        yield url
        return
    from tests.servers.triton import triton

    names = {name for name, _ in _SHAPES}
    roles = {folder.lock.role for folder in read_repository(shipped("model_repository")) if folder.name in names}
    roles |= {"text-recognition"}  # type: ignore[arg-type]
    mirror = _MIRROR if _MIRROR.is_dir() else None
    sync(shipped("model_repository"), models, mirror=mirror, roles=roles, target=Target.TRITON_PYTHON)
    with tempfile.TemporaryDirectory() as folder, triton(models / str(Target.TRITON_PYTHON), Path(folder)) as server:
        yield server.url


def _measured(url: str, models: Path, seconds: float, callers: Sequence[int]) -> list[Row]:
    with ExitStack() as stack:
        own = OnnxRuntimeSession(models, max(callers), _DEADLINE)
        served = TritonSession(shipped("model_repository"), [url], in_flight=max(callers), deadline_seconds=_DEADLINE)
        stack.callback(served.close)
        piped = stack.enter_context(through_pipes(served, max(callers)))
        return list(bare([own, served, piped], seconds=seconds, callers=callers))


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="default: bench/face_720p30_12s.mp4 of the test media")
    parser.add_argument("--url", help="gRPC address of a server that runs already; default: start the test server")
    parser.add_argument("--label", default="tritonserver 2.51.0, Python backend, on the same processor")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="for one figure of the bare calls")
    parser.add_argument("--callers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for triton.md")
    options = parser.parse_args(arguments)
    models = ROOT / ".cache" / "models"
    mirror = _MIRROR if _MIRROR.is_dir() else None
    sync(shipped("model_repository"), models, mirror=mirror)
    paths = options.clips or [test_media() / "bench" / "face_720p30_12s.mp4"]
    before = os.getloadavg()[0]
    with _server(options.url, models) as url:
        rows = _measured(url, models, options.seconds, options.callers)
        engine = list(clips(paths, url, repeats=options.repeats))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "triton.md").write_text(
        report(options.label, rows, engine, (before, os.getloadavg()[0])), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
