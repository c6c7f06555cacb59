"""V-02, V-03: sightings become regions for every frame between their true beginning and end."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from opendrape.domain.policy import DetectRule, Motion, Role
from opendrape.domain.timeline import Timeline
from opendrape_masker.engine.boxes import Box, covered_share
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.sightings import Seen

FRAMES = 120
LINE = Timeline(Fraction(1, 30), tuple(range(FRAMES)), (0,), FRAMES)


def rule(**changes: object) -> DetectRule:
    facts: dict[str, object] = {
        "role": Role.FACE,
        "max_gap_seconds": Fraction(1, 5),
        "long_side_pixels": (640,),
        "strong_score": 0.5,
        "weak_score": 0.2,
        "grow": 0.0,
        "bridge_seconds": Fraction(3, 5),
        "hold_seconds": Fraction(1, 5),
    }
    return DetectRule.model_validate(facts | changes)


def line(seen: dict[int, list[tuple[Box, float]]], **changes: object) -> TrackLine:
    """All looks of the clip; ``seen`` is by frame."""
    made = rule(**changes)
    track = TrackLine(made, LINE, LINE.looks(made.max_gap_seconds))
    for number, frame in enumerate(track.looks):
        track.add(number, seen.get(frame, []))
    return track


def at(x: float, y: float = 100.0, size: float = 50.0) -> Box:
    return Box(x, y, x + size, y + size)


def covered(track: TrackLine, frame: int, box: Box) -> bool:
    return covered_share(box, track.regions(frame)) > 0.99


def test_a_thing_seen_at_two_looks_is_masked_on_every_frame_between() -> None:
    """V-03: positions between two looks follow the motion."""
    track = line({0: [(at(100), 0.9)], 6: [(at(160), 0.9)]})
    assert all(covered(track, frame, at(100 + frame * 10)) for frame in range(7))


def test_a_gap_between_sightings_is_bridged() -> None:
    """V-03: gaps are filled."""
    track = line({6: [(at(100), 0.9)], 24: [(at(130), 0.9)]})
    assert all(covered(track, frame, at(100 + (frame - 6) * 30 / 18)) for frame in range(6, 25))


def test_a_thing_is_masked_back_to_the_look_that_did_not_see_it_and_on_to_the_next() -> None:
    """V-02, V-03: between a look without and a look with it, it may have been there from the start."""
    track = line({30: [(at(100), 0.9)]})
    assert all(covered(track, frame, at(100)) for frame in range(24, 37))
    assert not track.regions(10)
    assert not track.regions(50)


def test_a_weak_sighting_counts_only_when_linked_to_a_strong_one() -> None:
    """V-03: low-score detections extend a track and never start one."""
    alone = line({30: [(at(100), 0.3)]})
    linked = line({24: [(at(95), 0.9)], 30: [(at(100), 0.3)], 36: [(at(105), 0.3)]})
    assert not any(alone.regions(frame) for frame in range(FRAMES))
    assert covered(linked, 36, at(105))


def test_a_weak_sighting_before_a_strong_one_counts_too() -> None:
    """V-03: a face that turns towards the camera was there before it was plain to see."""
    track = line({24: [(at(60), 0.3)], 30: [(at(100), 0.9)]})
    assert covered(track, 24, at(60))


def test_a_mask_grows_as_the_rule_says() -> None:
    """V-03: on a frame where the thing was seen, too."""
    (box,) = line({24: [(at(100), 0.9)], 30: [(at(100), 0.9)]}, grow=0.3).regions(27)
    assert box.x0 < 95
    assert box.x1 > 155


def test_things_of_another_size_or_far_away_are_others() -> None:
    """V-03: each begins a track of its own."""
    for other in (at(100, size=200.0), at(600)):
        facts = line({24: [(at(100), 0.9)], 30: [(other, 0.9)]}).facts_at(30)
        assert facts is not None
        assert facts.beginnings == 1


def test_what_is_held_drifts_two_sizes_at_most() -> None:
    """V-03: the last speed says little about seconds later; the mask must not sweep the picture."""
    track = line({24: [(at(100), 0.9)], 30: [(at(170), 0.9)]}, hold_seconds=Fraction(1))
    assert 270 < max(box.x1 for box in track.regions(50)) < 350


def test_what_is_held_drifts_further_when_it_would_have_come_further_by_the_next_look() -> None:
    """V-03: five sizes from look to look, on a straight course, are kept up until a look does not see it."""
    seen = {frame: [(at(100 + (frame - 24) * 40), 0.9)] for frame in (24, 30, 36)}
    assert all(covered(line(seen), frame, at(100 + (frame - 24) * 40)) for frame in range(19, 42))


def test_three_sightings_on_a_straight_course_are_one_thing_however_weak() -> None:
    """V-03: chance seldom puts three of one size on a line at an even speed; beside the line it is another thing."""
    seen = {frame: [(at(100 + (frame - 24) * 40), 0.45)] for frame in (24, 30, 36)}
    track = line(seen, repeated_score=1.2)
    assert all(covered(track, frame, at(100 + (frame - 24) * 40)) for frame in range(24, 37))
    seen[36] = [(at(580, y=180.0), 0.45)]
    assert not any(line(seen, repeated_score=1.2).regions(frame) for frame in range(FRAMES))


def test_what_is_held_is_masked_no_further_than_it_can_have_come() -> None:
    """V-03: size grown with velocity, frame by frame: on its whole way, and not ahead of it."""
    track = line({24: [(at(100), 0.9)], 30: [(at(160), 0.9)]}, hold_seconds=Fraction(2, 5))
    assert all(covered(track, frame, at(160 + (frame - 30) * 10)) for frame in range(30, 42))
    assert not any(covered(track, frame, at(160 + (frame - 30) * 20)) for frame in range(33, 42))


def test_a_thing_that_hurries_is_linked_when_it_is_seen_for_certain() -> None:
    """V-03: 0.6 of its size a frame is three sizes from look to look; it is masked all the way, and at both ends."""
    track = line({24: [(at(100), 0.9)], 30: [(at(280), 0.9)]})
    assert all(covered(track, frame, at(100 + (frame - 24) * 30)) for frame in range(19, 36))


def test_two_things_that_may_be_one_that_hurries_are_held_as_two() -> None:
    """V-03: where one was, and where the other one is, is masked as if they were not linked."""
    track = line({24: [(at(100), 0.9)], 30: [(at(280), 0.9)]})
    assert all(covered(track, frame, at(100)) for frame in range(24, 30))
    assert all(covered(track, frame, at(280)) for frame in range(25, 31))


def test_what_is_doubtful_far_away_or_of_another_size_is_not_one_that_hurries() -> None:
    """V-03: a leap needs two certain sightings of one size; weak ones start nothing by it."""
    for other, score in ((at(280), 0.4), (at(280, size=90.0), 0.9), (at(400), 0.9)):
        track = line({24: [(at(100), 0.9)], 30: [(other, score)]})
        assert not covered(track, 27, at((100 + other.x0) / 2))


def test_a_last_weak_sighting_does_not_end_what_was_certain() -> None:
    """V-03: something weak beside the way out of a thing is not taken for it alone."""
    seen = {24: [(at(100), 0.9)], 30: [(at(150), 0.9)], 36: [(at(150, y=140.0), 0.3)]}
    track = line(seen)
    assert all(covered(track, frame, at(150 + (frame - 30) * 50 / 6)) for frame in range(30, 36))


def test_what_is_doubtful_again_and_again_counts() -> None:
    """V-03: low-score detections of one thing at three looks and more, by what their scores add up to."""
    seen = {frame: [(at(100), 0.41)] for frame in (24, 30, 36)}
    assert covered(line(seen, repeated_score=1.2), 27, at(100))
    assert not line(seen).regions(27)
    assert not line(seen, repeated_score=1.3).regions(27)
    assert not line({24: [(at(100), 0.45)], 30: [(at(100), 0.45)]}, repeated_score=0.6).regions(27)


def test_text_that_scrolls_is_masked_on_its_way_beyond_both_ends() -> None:
    """V-04: the speed of a line that is plainly the same at another place is kept up; a jitter is none."""
    slow = {"motion": Motion.STATIC, "max_gap_seconds": Fraction(3, 5), "weak_score": 0.5, "hold_seconds": 0}
    looks = LINE.looks(Fraction(3, 5))

    def words(y: float) -> Box:
        return Box(100, y, 300, y + 30)

    rolls = line({looks[2]: [(words(100), 0.9)], looks[3]: [(words(172), 0.9)]}, **slow)
    trembles = line({looks[2]: [(words(100), 0.9)], looks[3]: [(words(104), 0.9)]}, **slow)
    assert all(covered(rolls, looks[3] + n, words(172 + n * 4)) for n in range(17))
    assert all(covered(rolls, looks[2] - n, words(100 - n * 4)) for n in range(17))
    assert trembles.regions(looks[3] + 10) == [words(104)]


def test_a_pace_of_nothing_takes_no_place_away_that_linked_looks_tell() -> None:
    """V-04: ground that stays may outweigh the lettering on it; two looks that saw it move are heard then."""
    slow = {"motion": Motion.STATIC, "max_gap_seconds": Fraction(3, 5), "weak_score": 0.5, "hold_seconds": 0}
    looks, still = LINE.looks(Fraction(3, 5)), ((0.0, 0.0), (0.0, 0.0))
    places = {looks[2]: Box(100, 100, 300, 130), looks[3]: Box(100, 172, 300, 202)}
    told = {frame: [Seen(box, 0.9, None, still)] for frame, box in places.items()}
    plain = {frame: [(box, 0.9)] for frame, box in places.items()}
    for frame in range(looks[2] - 10, looks[3] + 17):
        assert line(told, **slow).regions(frame) == line(plain, **slow).regions(frame)


def test_what_is_under_the_weak_score_does_not_count_even_beside_a_strong_sighting() -> None:
    """V-03: noise extends no track."""
    noisy = line({24: [(at(95), 0.9)], 30: [(at(100), 0.1)]})
    clean = line({24: [(at(95), 0.9)]})
    assert [noisy.regions(frame) for frame in range(FRAMES)] == [clean.regions(frame) for frame in range(FRAMES)]


def test_a_weak_chain_ends_where_the_recovery_time_ends() -> None:
    """V-03: weak sightings far from any strong one do not paint the clip."""
    weak = {frame: [(at(100), 0.3)] for frame in range(30, 115, 6)}
    track = line({24: [(at(100), 0.9)], **weak})
    assert covered(track, 40, at(100))
    assert not track.regions(90)


def test_static_regions_cover_both_places_of_a_text_that_moved() -> None:
    """V-04: between two looks a text may be at either place or anywhere between."""
    slow = {"motion": Motion.STATIC, "max_gap_seconds": Fraction(1), "weak_score": 0.5, "hold_seconds": Fraction(1)}
    track = line({30: [(at(100), 0.9)], 60: [(at(120), 0.9)]}, **slow)
    assert all(covered(track, frame, at(100)) and covered(track, frame, at(120)) for frame in range(30, 61))
    assert covered(track, 1, at(100))


def test_two_things_that_pass_each_other_are_both_masked() -> None:
    """V-03: linking is one to one."""
    seen = {f: [(at(100 + f * 4), 0.9), (at(340 - f * 4), 0.9)] for f in range(0, 60, 6)}
    track = line(seen)
    for frame in range(54):
        assert covered(track, frame, at(100 + frame * 4))
        assert covered(track, frame, at(340 - frame * 4))


def test_every_look_reports_what_counted_and_what_began() -> None:
    """V-02: the counts of the report come from the looks."""
    track = line({30: [(at(100), 0.9)], 36: [(at(102), 0.9), (at(400), 0.9)]})
    first, second, off = track.facts_at(30), track.facts_at(36), track.facts_at(31)
    assert first is not None
    assert (first.detections, first.beginnings) == (1, 1)
    assert second is not None
    assert (second.detections, second.beginnings) == (2, 1)
    assert off is None


boxes = st.builds(
    lambda x, y, size, score: (at(x, y, size), score),
    st.floats(0, 600),
    st.floats(0, 400),
    st.floats(10, 120),
    st.sampled_from([0.25, 0.35, 0.6, 0.9]),
)


@settings(max_examples=60, deadline=None)
@given(
    seen=st.dictionaries(st.sampled_from(range(0, FRAMES, 6)), st.lists(boxes, max_size=3), max_size=14),
    start=st.integers(20, 80),
    length=st.integers(1, 30),
)
def test_a_chunk_with_its_context_gets_the_masks_of_the_whole_video(
    seen: dict[int, list[tuple[Box, float]]], start: int, length: int
) -> None:
    """I-06, V-03: masks at the seams equal those of the video in one piece."""
    whole = line(seen)
    made = rule()
    looks = LINE.looks(made.max_gap_seconds)
    part = TrackLine(made, LINE, looks)
    first, last = part.needed(start, start + length)
    for number, frame in enumerate(looks):
        if first <= frame < last:
            part.add(number, seen.get(frame, []))
    for frame in range(start, start + length):
        key = lambda box: (box.x0, box.y0, box.x1, box.y1)  # noqa: E731
        assert sorted(part.regions(frame), key=key) == sorted(whole.regions(frame), key=key)


def test_masks_are_final_once_looks_far_enough_ahead_are_known() -> None:
    """V-03: a frame released early has the masks it would have at the end."""
    seen = {f: [(at(100 + f), 0.3 if f % 18 else 0.9)] for f in range(0, FRAMES, 6)}
    whole = line(seen)
    made = rule()
    looks = LINE.looks(made.max_gap_seconds)
    growing = TrackLine(made, LINE, looks)
    frame = 0
    for number, look in enumerate(looks):
        growing.add(number, seen.get(look, []))
        while frame < FRAMES and growing.final(frame):
            assert growing.regions(frame) == whole.regions(frame)
            growing.forget_before(frame)
            frame += 1
    assert frame == FRAMES


def test_what_vanished_near_the_border_is_masked_out_to_the_border() -> None:
    """V-03: a thing that leaves the picture speeds up as it likes between two looks."""
    made = rule()
    track = TrackLine(made, LINE, LINE.looks(made.max_gap_seconds), (640, 480))
    for number, frame in enumerate(track.looks):
        track.add(number, [(at(500), 0.9)] if frame == 30 else [])
    away = [25, 26, 27, 28, 29, 31, 32, 33, 34, 35]
    assert all(covered(track, frame, at(580)) for frame in away), "out on the right, in from the right"
    assert all(covered(track, frame, at(500)) for frame in range(25, 36))
    assert not covered(track, 30, at(580)), "where it was seen it is where it was seen"


def test_a_vanished_thing_is_masked_on_along_its_speed() -> None:
    """V-03: held masks drift with the last known motion."""
    track = line({24: [(at(100), 0.9)], 30: [(at(130), 0.9)]})
    assert all(covered(track, 30 + step, at(130 + 5 * step)) for step in range(6))


def test_a_thing_does_not_shrink_because_a_detector_draws_it_small_once() -> None:
    """V-03: boxes flicker, things do not: neighbours in time say how large it is."""
    track = line({24: [(at(100), 0.9)], 30: [(at(115, 115, 20), 0.4)], 36: [(at(100), 0.9)]})
    assert all(covered(track, frame, at(100)) for frame in range(24, 37))


def test_what_is_seen_at_a_border_is_masked_up_to_the_border() -> None:
    """V-03: a face that the border cuts off is drawn too small; the strip beside it is face, too."""
    made = rule()
    track = TrackLine(made, LINE, LINE.looks(made.max_gap_seconds), (1280, 720))
    for number, frame in enumerate(track.looks):
        track.add(number, [(at(1220, 300), 0.9)] if 24 <= frame <= 48 else [])
    assert all(covered(track, frame, Box(1220, 300, 1280, 350)) for frame in range(24, 49))
    inner = TrackLine(made, LINE, LINE.looks(made.max_gap_seconds), (1280, 720))
    for number, frame in enumerate(inner.looks):
        inner.add(number, [(at(1120, 300), 0.9)] if 24 <= frame <= 48 else [])
    assert not any(covered(inner, frame, Box(1270, 300, 1280, 350)) for frame in range(30, 43))
