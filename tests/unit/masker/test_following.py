"""V-03, V-04: lettering that is found at one look is sought in the pictures beside it, and keeps its pace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from opendrape.domain.policy import DetectRule, Motion, Role
from opendrape.domain.timeline import Timeline
from opendrape.media.reader import Picture
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.following import Follower, shifted
from opendrape_masker.engine.looking import Watch, watch_for
from opendrape_masker.engine.pictures import Array, Still
from tests.fakes.detectors import ScriptedDetector
from tests.fakes.frames import facts

WIDTH, HEIGHT, FRAMES = 320, 180, 61
LINE = Timeline(Fraction(1, 30), tuple(range(FRAMES)), (0,), FRAMES)
WORDS = DetectRule(
    role=Role.TEXT,
    max_gap_seconds=Fraction(3, 5),
    long_side_pixels=(160,),
    strong_score=0.5,
    weak_score=0.5,
    motion=Motion.STATIC,
    bridge_seconds=Fraction(1),
    hold_seconds=Fraction(3, 5),
)
LOOKS = LINE.looks(WORDS.max_gap_seconds)
LETTERS = (120, 24)  # how large the words are


def page(x: float, y: float, *, text: str = "Anna Muster", seed: int = 3) -> Array:
    """Words with their upper left corner there, on a soft ground that stays."""
    ground = np.random.default_rng(seed).integers(40, 120, (9, 16)).astype(np.uint8)
    luma = cv2.resize(ground, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    drawn: Array = cv2.putText(luma, text, (round(x), round(y) + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 250, 2)
    return drawn


def at(x: float, y: float) -> Box:
    return Box(x, y, x + LETTERS[0], y + LETTERS[1])


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (0, 12), (-30, 0), (25, -14), (-3, 2)])
def test_where_the_words_went_is_told_to_the_pixel(dx: int, dy: int) -> None:
    """V-04: the ground that they stand on stays; they do not."""
    assert shifted(page(100, 80), page(100 + dx, 80 + dy), at(100, 80)) == (dx, dy)


def test_what_is_not_there_has_no_pace() -> None:
    """V-04: other words, a cut, a picture without any: nothing is made up."""
    empty = page(100, 80, text="")
    assert shifted(page(100, 80), empty, at(100, 80)) is None
    noise = np.random.default_rng(9).integers(0, 255, (HEIGHT, WIDTH)).astype(np.uint8)
    assert shifted(page(100, 80), noise, at(100, 80)) is None


def test_words_that_are_half_outside_are_found_and_boxes_outside_are_none() -> None:
    """V-04: what scrolls comes in at a border."""
    assert shifted(page(100, 20), page(100, 4), Box(100, 20, 220, 44)) == (0, -16)
    assert shifted(page(4, 80), page(-20, 80), at(4, 80)) == (-24, 0)
    assert shifted(page(100, 80), page(100, 80), Box(400, 80, 500, 100)) is None
    assert shifted(page(100, 80), page(100, 80), Box(100, 80, 102, 100)) is None


def test_flat_words_on_flat_ground_have_no_pace() -> None:
    """V-04: nothing to compare is no sign of standing still, and no division by zero."""
    flat = np.full((HEIGHT, WIDTH), 90, np.uint8)
    assert shifted(flat, flat, at(100, 80)) is None


def frame_of(luma: Array, index: int) -> Picture:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, samples in zip(
        frame.planes, (luma, *[np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)] * 2), strict=True
    ):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = samples
        plane.update(padded.tobytes())
    frame.pts = index
    return Picture(frame, index=index, tick=index)


def fed(watch: Watch, speed: tuple[float, float], *, shown_on: range = range(FRAMES)) -> Watch:
    """Every picture that the watch wants, words drifting by ``speed`` a frame through (100, 80) at its second look."""
    with ThreadPoolExecutor(2) as pool:
        for frame in range(FRAMES):
            if watch.wants(frame):
                step = frame - LOOKS[1]
                text = "Anna Muster" if frame in shown_on else ""
                shown = page(100 + step * speed[0], 80 + step * speed[1], text=text)
                watch.offer(frame_of(shown, frame), pool)
        watch.settle(tick=LINE.end_tick)
    return watch


def words_watch() -> Watch:
    """Finds the words at its second look alone."""
    hit = (*at(100, 80).corners, 0.9)
    detector = ScriptedDetector({LOOKS[1]: [hit]}, (WIDTH, HEIGHT), role=Role.TEXT)
    return watch_for(WORDS, detector, facts(WIDTH, HEIGHT, frame_count=FRAMES), LINE)


@pytest.mark.parametrize("speed", [(0.0, 2.0), (-3.0, 0.0), (2.5, -1.5)])
def test_words_seen_once_are_masked_on_their_way_in_and_out(speed: tuple[float, float]) -> None:
    """V-04: one look of 0.6 s tells where they are, the pictures beside it where they go."""
    watch = fed(words_watch(), speed)
    for frame in range(LOOKS[1] - 15, LOOKS[1] + 16):
        step = frame - LOOKS[1]
        true = at(100 + step * speed[0], 80 + step * speed[1])
        assert covered_share(true, watch.line.regions(frame)) >= 0.95, frame


@pytest.mark.parametrize("shown_on", [range(LOOKS[1], FRAMES), range(LOOKS[1] + 1)])
def test_one_picture_beside_the_look_is_enough(shown_on: range) -> None:
    """V-04: words that come between the picture before and the look, or go right after it, have a pace all the same."""
    watch = fed(words_watch(), (0.0, 2.0), shown_on=shown_on)
    steps = [frame - LOOKS[1] for frame in shown_on if abs(frame - LOOKS[1]) <= 15]
    assert len(steps) > 10
    assert all(covered_share(at(100, 80 + 2 * n), watch.line.regions(LOOKS[1] + n)) >= 0.95 for n in steps)


def test_words_that_stand_still_are_masked_where_they_stand() -> None:
    """V-04: a pace of nothing adds nothing."""
    watch = fed(words_watch(), (0.0, 0.0))
    assert watch.line.regions(LOOKS[1] + 10) == [at(100, 80).grown(WORDS.grow)]


def test_an_answer_waits_for_the_picture_after_its_look() -> None:
    """V-02: what is taken in does not depend on how fast the detector answered."""
    watch = words_watch()
    _, after = watch.follower.beside(LOOKS[1]) if watch.follower else (None, None)
    assert after is not None
    with ThreadPoolExecutor(1) as pool:
        for frame in range(after):
            if watch.wants(frame):
                watch.offer(frame_of(page(100, 80), frame), pool)
                watch.keep_up(0)
                watch.settle(tick=LINE.end_tick)
        assert watch.line.newest == 0, "the second look's answer is there, but not what it is compared with"
        watch.offer(frame_of(page(100, 80), after), pool)
        watch.keep_up(0)
    assert watch.line.newest == 1


def test_pictures_are_dropped_when_no_answer_needs_them_any_more() -> None:
    """Memory: small pictures of the last second, not of the video."""
    watch = fed(words_watch(), (0.0, 0.0))
    assert watch.follower is not None
    assert len(watch.follower.frames_kept) <= 3


def test_needed_frames_reach_to_the_pictures_beside_the_first_and_last_look() -> None:
    """I-06: a chunk sees what the whole video sees."""
    line = Timeline(Fraction(1, 30), tuple(range(600)), (0,), 600)
    watch = watch_for(WORDS, ScriptedDetector({}, (WIDTH, HEIGHT), role=Role.TEXT), facts(WIDTH, HEIGHT), line)
    assert watch.follower is not None
    for first, last in ((300, 320), (250, 251), (0, 600)):
        start, end = watch.line.needed(first, last)
        looks = [frame for frame in range(start, end) if watch.is_look(frame)]
        beside = [frame for look in looks for frame in watch.follower.beside(look) if frame is not None]
        assert watch.needed(first, last) == (min(start, *beside), max(end - 1, *beside) + 1)
    assert watch.needed(300, 320) != watch.line.needed(300, 320)


def test_what_moves_by_rule_or_is_one_picture_has_no_follower() -> None:
    """V-03: faces are linked from look to look, a photograph has no time."""
    media = facts(WIDTH, HEIGHT)
    for changes in ({"role": Role.FACE}, {"motion": Motion.MOVING}):
        assert Follower.of(WORDS.model_copy(update=changes), media, LINE, LOOKS) is None
    assert Follower.of(WORDS, media, Timeline(Fraction(1), (0,), (0,), 1), (0,)) is None


def test_a_failed_copy_is_an_error_and_no_missing_pace() -> None:
    """V-16: whatever goes wrong in another thread surfaces."""
    watch = words_watch()
    assert watch.follower is not None
    with ThreadPoolExecutor(1) as pool:
        for frame in range(FRAMES):
            if watch.wants(frame):
                watch.follower.keep(frame, Still((), 8), pool)
        with pytest.raises(IndexError):
            watch.follower.paced(LOOKS[2], [])
        with pytest.raises(IndexError):
            watch.follower.paced(LOOKS[1], [*watch.eye.look(frame_of(page(100, 80), LOOKS[1]), LOOKS[1])])
