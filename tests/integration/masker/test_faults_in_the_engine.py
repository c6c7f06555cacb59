"""V-16: whatever goes wrong, wherever in the engine, surfaces; no thread stays, nothing waits for ever."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.domain.mask_rule import ClassLook, Effect, MaskRule, Shape
from opendrape.domain.policy import Motion, Role
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import InferenceFailed, MediaRefused, OpenDrapeError, StaleLease
from opendrape.media import picture, reader, sparse_reader, writer
from opendrape_masker.engine import (
    boxes,
    checking,
    chunk,
    effects,
    encoding,
    evidence,
    following,
    foresight,
    groups,
    linking,
    looking,
    mask_proof,
    paint,
    passages,
    pictures,
    reach,
    regions,
    render,
    second_look,
    traces,
)
from tests.fakes.detectors import ScriptedDetector, ScriptedReader
from tests.fakes.faults import Injected, Place, inject, places
from tests.integration.masker.workbench import AGAIN, FACE, PLENTY, POLICY, SIZE, Bench, walker

pytestmark = pytest.mark.timeout(30)

ENGINE = (
    *(boxes, checking, chunk, effects, encoding, evidence, following, foresight),
    *(groups, linking, looking, mask_proof, paint, passages, pictures, reach, regions, render, second_look, traces),
)
MEDIA = (picture, reader, sparse_reader, writer)
SPAN = FrameSpan(12, 30)

ELSEWHERE = {
    "following.Follower.frames_kept",  # for whoever wants to know how much is held
    "evidence.EvidenceWriter.__enter__",  # the injected fault itself would leave the file open
    "evidence.EvidenceWriter.__exit__",
    "picture.Picture.byte_size",  # not asked for by the engine
    "picture.Picture.full_range",
    "reader._chain",  # seeking is tested with the reader
    "reader._find",
    "reader._from_start",
    "reader._going_back",
    "foresight._touches",  # asked of groups that may be copied: see test_smart_render.py
    "foresight.Foresight._glimpse",
    "boxes.overlap",  # asked only where a detector looks at two sizes
    "linking.TrackLine.regions",  # for whoever wants boxes only
    "looking.Watch.sees_something",
    "looking.Watch.lately",
    "linking.TrackLine.is_strong",
    "looking.Watch.would_see",
    "looking.Eye._show",  # asked only by a second opinion: see test_shared_opinion.py
    "render.Renderer._copy",
    "encoding.EncodingThread._work",  # the thread's outermost frame: it has no caller to tell
    "encoding.EncodingThread.abandon",  # only called when something else went wrong
}
ONLY_WITH_TWO_PASSES_AND_BOXES = {
    "render.Job.pictures",
    "render.Renderer._read_again",
    "render.Renderer._encode_again",
    "groups.Stretch.is_read_again",
    "groups.Stretch.planned",
    "paint.Painter._fill_boxes",
}
PLACES = [place for place in places((*ENGINE, *MEDIA)) if place.label not in ELSEWHERE]


WHITE_OR_BLURRED = ClassLook(effect=Effect.NORMALISED_GRAY_BLUR, colour_rgb=(255, 255, 255))
EVERY_COAT = MaskRule(shape=Shape.ELLIPSE, classes={"marked": WHITE_OR_BLURRED})


def thorough(bench: Bench) -> Bench:
    """Everything that the engine can do: two rules, a round of remasking, text, marks, ellipses, a turned picture."""
    text = FACE.model_copy(update={"role": Role.TEXT, "motion": Motion.STATIC, "max_gap_seconds": Fraction(1, 2)})
    reads = AGAIN.model_copy(update={"role": Role.TEXT})
    overlooked = ScriptedDetector({20: [(140.0, 20.0, 164.0, 50.0, 0.8)]}, SIZE, name="second")
    return bench.with_(
        policy=POLICY.model_copy(update={"detect": (FACE, text), "residual": (AGAIN, reads), "mask": EVERY_COAT}),
        second=overlooked,
        reader=ScriptedReader("readable"),
        regions=(MarkedRegion(x=2, y=2, width=10, height=10), MarkedRegion(x=60, y=80, width=60, height=40)),
        clip=bench.clip,
    )


def assert_quiet() -> None:
    """No thread of the engine is left."""
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith(("look", "encode"))]
    assert left == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.label)
def test_an_error_surfaces(place: Place, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: an exception in this function, at its first call, ends the run with that exception."""
    used = thorough(bench)
    if place.label in ONLY_WITH_TWO_PASSES_AND_BOXES or place.label.startswith("reader."):
        used = used.with_(policy=used.policy.model_copy(update={"mask": MaskRule()}), window_bytes=0)
    fault = inject(place, monkeypatch, everywhere=(*ENGINE, *MEDIA))
    with pytest.raises((Injected, MediaRefused)):
        used.mask(SPAN)
    assert fault.happened
    assert_quiet()


def test_the_same_run_without_a_fault_does_everything(bench: Bench) -> None:
    """V-16: what the other tests break works by itself, with a round of remasking."""
    done = thorough(bench).mask(SPAN)
    assert done.report.checks.remasked_rounds == 1
    assert_quiet()


@pytest.mark.parametrize("window_bytes", [PLENTY, 0])
@pytest.mark.parametrize("at", [1, 2, 7, 13])
@pytest.mark.parametrize("label", ["encoding.EncodingThread.encode", "paint.Painter.paint", "writer.ChunkWriter.write"])
def test_an_encoder_that_fails_at_any_picture_stops_the_decoder(
    label: str, at: int, window_bytes: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16: an error in the encoding thread reaches the caller, early and late, and nothing waits on the queue."""
    (place,) = (place for place in PLACES if place.label == label)
    fault = inject(place, monkeypatch, everywhere=(*ENGINE, *MEDIA), at=at)
    with pytest.raises(Injected):
        bench.with_(window_bytes=window_bytes).mask(SPAN)
    assert fault.calls == at, "nothing is encoded after the error"
    assert_quiet()


def test_an_encoder_that_fails_while_its_queue_is_full_lets_the_decoder_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16: the error comes when the decoder already waits for room in the queue."""
    full = threading.Event()
    put = queue.Queue.put

    def noticing(self: queue.Queue[object], item: object, block: bool = True, timeout: float | None = None) -> None:
        if self.maxsize and self.full():
            full.set()
        put(self, item, block, timeout)

    def fails_late(*_: object) -> None:
        assert full.wait(20), "the queue never filled"
        raise Injected

    monkeypatch.setattr(queue.Queue, "put", noticing)
    monkeypatch.setattr(encoding.EncodingThread, "encode", fails_late)
    shares: list[float] = []
    with pytest.raises(Injected):
        bench.with_(progress=shares.append).mask(FrameSpan(0, 60))
    assert full.is_set()
    assert len(shares) < 15, "the decoder went on"
    assert_quiet()


def test_a_decoder_that_fails_while_the_encoder_is_behind_stops_the_encoder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-16: what waits in the queue is dropped; the decoder's error is the one that counts."""
    decoded = threading.Event()
    encoded: list[int] = []

    def slow(self: encoding.EncodingThread, _output: object, shown: reader.Picture, _rectangles: object) -> None:
        assert decoded.wait(20)
        encoded.append(shown.index)

    class Sees(ScriptedDetector):
        def detect(self, pictures, frames):  # type: ignore[no-untyped-def]
            if frames[0] >= 35:
                decoded.set()
                raise InferenceFailed
            return super().detect(pictures, frames)

    monkeypatch.setattr(encoding.EncodingThread, "encode", slow)
    with pytest.raises(InferenceFailed):
        bench.with_(first=Sees(walker, SIZE)).mask(FrameSpan(0, 75))
    assert len(encoded) < 3
    assert_quiet()


class Fails(ScriptedDetector):
    """Raises at one frame."""

    def __init__(self, frame: int, error: Exception) -> None:
        super().__init__(walker, SIZE)
        self._at, self._error = frame, error

    def detect(self, pictures, frames):  # type: ignore[no-untyped-def]
        if frames[0] == self._at:
            raise self._error
        return super().detect(pictures, frames)


@pytest.mark.parametrize("window_bytes", [PLENTY, 0])
@pytest.mark.parametrize("frame", [0, 20, 45, 74])
@pytest.mark.parametrize("error", [InferenceFailed(reason="inference_timeout"), ValueError("x"), MemoryError()])
def test_a_frame_that_cannot_be_examined_fails_the_chunk(
    error: Exception, frame: int, window_bytes: int, bench: Bench
) -> None:
    """V-02, V-16: an error in the looking thread surfaces as it is; never an empty list of faces."""
    detector = Fails(frame, error)
    with pytest.raises(type(error)) as raised:
        bench.with_(first=detector, window_bytes=window_bytes).mask()
    assert raised.value is error
    assert_quiet()


def test_looks_that_wait_are_dropped_when_something_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: a failing chunk does not work off what it asked for."""
    many_wait, told = threading.Event(), threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def telling(self: ThreadPoolExecutor, *given: bool, **named: bool) -> None:
        shutdown(self, *given, **named)
        told.set()

    def keep_up(self: looking.Watch, pending: int) -> None:
        if len(self._asked) > pending:
            many_wait.set()
        while len(self._asked) > pending:
            self._take_in_one()

    class Slow(ScriptedDetector):
        def detect(self, pictures, frames):  # type: ignore[no-untyped-def]
            found = super().detect(pictures, frames)
            if len(self.asked) == 1:
                assert many_wait.wait(20)
                raise InferenceFailed
            told.wait(2)
            return found

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", telling)
    monkeypatch.setattr(looking.Watch, "keep_up", keep_up)
    detector = Slow(walker, SIZE)
    always = POLICY.model_copy(update={"detect": (FACE.model_copy(update={"max_gap_seconds": Fraction(1, 100)}),)})
    with pytest.raises(InferenceFailed):
        bench.with_(first=detector, policy=always, window_bytes=0).mask()
    assert len(detector.asked) < 4
    assert_quiet()


def test_a_detector_that_answers_for_no_picture_fails_the_chunk(bench: Bench) -> None:
    """V-02: no answer is not the answer that nobody is there."""

    class Silent(ScriptedDetector):
        def detect(self, pictures, frames):  # type: ignore[no-untyped-def]
            return []

    with pytest.raises(IndexError):
        bench.with_(first=Silent({}, SIZE)).mask()
    assert_quiet()


def test_a_second_look_that_fails_fails_the_chunk(bench: Bench) -> None:
    """V-15, V-16: an output that could not be looked at again is none."""
    policy = POLICY.model_copy(update={"residual": (AGAIN,)})
    with pytest.raises(InferenceFailed):
        bench.with_(policy=policy, second=Fails(20, InferenceFailed())).mask()
    assert_quiet()


@pytest.mark.parametrize("after", [0, 5, 30])
def test_a_lost_lease_ends_the_work(bench: Bench, after: int) -> None:
    """R-02: what progress raises passes through, in rendering and in checking."""
    heard: list[float] = []

    def progress(share: float) -> None:
        heard.append(share)
        if len(heard) > after:
            raise StaleLease

    with pytest.raises(StaleLease):
        bench.with_(progress=progress).mask(SPAN)
    assert len(heard) == after + 1
    assert_quiet()


def test_masks_that_are_not_final_are_never_painted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: a look-ahead that is too short is an error, not an unmasked frame."""
    monkeypatch.setattr(linking.TrackLine, "needed", lambda self, first, last: (first, last))
    with pytest.raises(RuntimeError, match="not final"):
        bench.mask(FrameSpan(0, 12))
    assert_quiet()


def test_a_source_that_ends_early_fails_the_chunk(bench: Bench, tmp_path: Path) -> None:
    """V-16: a copy that broke off, opened with the facts of the whole."""
    content = bench.clip.path.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(OpenDrapeError):
        bench.with_(clip=replace(bench.clip, path=cut)).mask()
    assert_quiet()


def test_a_scratch_folder_that_is_gone_fails_the_chunk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: before any thread was started, and without one left."""
    monkeypatch.setattr(Bench, "own_folder", lambda self: self.folder / "gone")
    with pytest.raises(OSError, match="gone"):
        bench.mask(SPAN)
    assert_quiet()
