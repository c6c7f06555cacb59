"""V-01, V-03: people, vehicles and the rest keep their class from the detector to the mask and the report."""

from __future__ import annotations

from fractions import Fraction

from opendrape.domain.policy import DetectRule, Role
from opendrape.domain.things import Thing
from opendrape.domain.timeline import Timeline
from opendrape_masker.detectors import Detection
from opendrape_masker.detectors.detection import THINGS_OF
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.linking import TrackLine
from opendrape_masker.engine.looking import Eye, Tally, Watch, merge_same
from opendrape_masker.engine.sightings import Seen
from tests.fakes.detectors import ScriptedDetector
from tests.fakes.frames import facts, picture

RULE = DetectRule(
    role=Role.PERSON_VEHICLE,
    max_gap_seconds=Fraction(1, 5),
    long_side_pixels=(640,),
    strong_score=0.5,
    weak_score=0.2,
    grow=0.0,
    bridge_seconds=Fraction(3, 5),
    hold_seconds=Fraction(1, 5),
)
LINE = Timeline(Fraction(1, 30), tuple(range(60)), (0,), 60)
HERE, THERE = Box(100, 100, 150, 150), Box(102, 100, 152, 150)


def line(*looks: list[Seen]) -> TrackLine:
    track = TrackLine(RULE, LINE, LINE.looks(RULE.max_gap_seconds))
    for number in range(len(track.looks)):
        track.add(number, looks[number] if number < len(looks) else [])
    return track


def test_a_vehicle_may_change_its_kind_and_stays_one_appearance() -> None:
    """V-03: detectors take a car for a truck; the track goes on, weak sightings included."""
    track = line([Seen(HERE, 0.9, Thing.CAR)], [Seen(THERE, 0.3, Thing.TRUCK)])
    assert [track.facts_at(frame).beginnings for frame in (0, 6)] == [1, 0]  # type: ignore[union-attr]


def test_a_person_is_never_linked_to_a_vehicle() -> None:
    """V-03: somebody who steps where a car was is a new appearance, and a weak one does not count."""
    track = line([Seen(HERE, 0.9, Thing.CAR)], [Seen(THERE, 0.9, Thing.PERSON)], [Seen(THERE, 0.3, Thing.BUS)])
    assert [track.facts_at(frame).beginnings for frame in (0, 6)] == [1, 1]  # type: ignore[union-attr]
    assert line([Seen(HERE, 0.9, Thing.CAR)], [Seen(THERE, 0.3, Thing.PERSON)]).facts_at(6).detections == 0  # type: ignore[union-attr]


def test_a_mask_says_what_it_hides() -> None:
    """V-01: the class of the sighting, or the role's name where that says it all."""
    track = line([Seen(HERE, 0.9, Thing.BUS), Seen(Box(300, 0, 320, 40), 0.9, Thing.PERSON)])
    assert {target.label for target in track.targets(3)} == {"bus", "person"}
    assert [target.label for target in line([Seen(HERE, 0.9)]).targets(3)] == ["person-vehicle"]
    assert [target.box for target in track.targets(3)] == track.regions(3)


def test_one_thing_seen_at_two_sizes_counts_once_and_a_rider_twice() -> None:
    """V-01: only sightings that may be of one thing are merged; the better one stays."""
    hits = [Seen(HERE, 0.4, Thing.CAR), Seen(HERE, 0.8, Thing.TRUCK), Seen(HERE, 0.5, Thing.PERSON)]
    assert merge_same(hits) == [hits[1], hits[2]]


def test_what_counts_once_is_as_large_as_all_of_it() -> None:
    """V-03, V-04: a line of which the small picture shows half is hidden as far as the large one shows it."""
    whole, part = Seen(Box(100, 100, 300, 120), 0.6), Seen(Box(195, 98, 300, 122), 0.9)
    assert merge_same([whole, part]) == [Seen(Box(100, 98, 300, 122), 0.9)]
    assert merge_same([part, whole]) == [Seen(Box(100, 98, 300, 122), 0.9)]


class _Crowd(ScriptedDetector):
    """Two people whose boxes overlap by more than half."""

    def _see(self, picture, frame):  # type: ignore[no-untyped-def]
        kind = THINGS_OF[self.role][0]
        return [Detection(frame, self.role, 0.9, x, 0.0, x + 60, 90.0, kind) for x in (10.0, 25.0)]


def test_what_one_look_tells_apart_stays_apart() -> None:
    """V-01: people behind each other overlap strongly and are both masked."""
    eye = Eye.of(_Crowd({}, (160, 96), role=Role.PERSON_VEHICLE), facts(), (160,))
    seen = eye.see(eye.take(picture()), 0)
    assert [(round(hit.box.x0), hit.thing) for hit in seen] == [(10, Thing.PERSON), (25, Thing.PERSON)]


def test_the_report_counts_appearances_by_class() -> None:
    """V-01, V-02: per class of thing, beside the counts by role."""
    track = line([Seen(HERE, 0.9, Thing.CAR), Seen(Box(300, 0, 320, 40), 0.9, Thing.PERSON)])
    watch = Watch(RULE, Eye.of(_Crowd({}, (160, 96)), facts(), (160,)), track)
    tally = Tally()
    for frame in range(60):
        tally.count(frame, [(watch, bool(track.regions(frame)))])
    assert tally.things == {"car": 1, "person": 1}
    assert tally.tracks == {"person-vehicle": 2}
