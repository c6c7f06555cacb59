"""V-15: the published page lists every miss with what it takes to look at it again."""

from __future__ import annotations

from benchmarks.selftest import Entry, Outcome, page

from opendrape.adapters.policy_files import read_policy
from opendrape.settings import shipped
from opendrape_masker.selftest.verdicts import ClipVerdict, EventVerdict


def event(name: str, covered: int, **facts: object) -> EventVerdict:
    given: dict[str, object] = {
        "name": name,
        "kind": "face",
        "look": "front",
        "course": "still",
        "size": "32-64",
        "tall": 40.0,
        "start_frame": 5,
        "frames": 10,
        "covered": covered,
        "missed_frames": tuple(range(5, 15 - covered)),
        "promised": True,
    }
    return EventVerdict.model_validate(given | facts)


def test_misses_carriers_and_failures_are_all_on_the_page() -> None:
    """Carrier, seed, event and frames of each miss; luck and refusals are said, not dropped."""
    events = (event("seen", 10), event("lost", 7), event("luck", 10, lucky=True), event("tiny", 0, promised=False))
    clip = ClipVerdict(
        clip="1", seed=9, width=1280, height=720, frames=100, events=events, masked_elsewhere=0.031, remasked_rounds=1
    )
    outcomes = [
        Outcome(Entry("carrier A", None, 9, ()), clip),
        Outcome(Entry("carrier B", "b.mp4", 4, ()), None, "exit code 1"),
        Outcome(Entry("carrier C", "c.mp4", 5, ()), clip.model_copy(update={"quarantined": "residual_found"})),
    ]
    written = page(outcomes[:2], read_policy((shipped("policies"),), "faces"))
    assert "covered on every frame: 0.500 (1/2)" in written
    assert "| carrier A | 9 | 100 | 0.500 (1/2) | 0.850 (17/20) | 1 | 3.1% | nothing | 0 left, 1 rounds |" in written
    assert "| carrier B | 4 | exit code 1 |" in written
    assert "| carrier A | 9 | lost | face | front | still | 40 |" in written
    assert "| yes | 3/10 | 5, 6, 7 |" in written
    assert "| no | 10/10 | 5, 6, 7, 8, 9 |" in written
    assert "| seen |" not in written
    assert "| carrier C | 5 | residual_found |" in page(outcomes, read_policy((shipped("policies"),), "faces"))
