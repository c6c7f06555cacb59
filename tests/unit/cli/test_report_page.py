"""D-06: the report page escapes every word, leaves no fact out and can be read without seeing the timeline."""

from __future__ import annotations

from opendrape.cli.report_files import report_facts
from opendrape.cli.report_page import report_page
from opendrape.cli.report_timeline import clock, described, timeline_figure
from opendrape.domain.policy import Policy
from opendrape.domain.regions import CheckResult, FoundInterval, FrameAccount, MaskReport, ModelUse, ResidualFinding

EVIL = '<script>alert("1")</script>&'


def report(**changes: object) -> MaskReport:
    facts: dict[str, object] = {
        "frames": 300,
        "masked_frames": 90,
        "detections": {"face": 18},
        "tracks": {"face": 2},
        "accounts": {"face": FrameAccount(examined=61, inside_track=80, bracketed=159)},
        "models": (ModelUse(role="face", model="m", sha256="ab" * 32, purpose="detect", long_side_pixels=(640,)),),
        "checks": CheckResult(frames_checked=300, worst_psnr_db=41.5),
        "found": (interval("face", 0, 60), interval("face", 100, 130), interval("text", 0, 300)),
        "duration_seconds": 10.0,
    }
    return MaskReport.model_validate(facts | changes)


def interval(role: str, start: int, end: int) -> FoundInterval:
    return FoundInterval(
        role=role, start_frame=start, end_frame=end, start_seconds=start / 30, end_seconds=end / 30, most_at_once=1
    )


def page(**changes: object) -> str:
    return report_page(report_facts(report(**changes), Policy(name="p", summary="What it does")))


def test_every_word_is_escaped() -> None:
    """D-06: a model's or a role's name is never markup."""
    hostile = page(
        models=(ModelUse(role=EVIL, model=EVIL, sha256=EVIL, purpose=EVIL),),
        detections={EVIL: 1},
        tracks={EVIL: 1},
        accounts={EVIL: FrameAccount()},
        found=(interval(EVIL, 0, 30),),
        device=EVIL,
        seconds={EVIL: 1.0},
        checks=CheckResult(
            residual_findings=(ResidualFinding(frame=1, role=EVIL, score=0.5, x=0, y=0, width=1, height=1),)
        ),
    )
    assert "<script" not in hostile
    assert "alert(&quot;1&quot;)" in hostile


def test_a_fact_that_nobody_thought_of_is_on_the_page_too() -> None:
    """D-06: what later versions of the engine report must not be lost here."""
    facts = report_facts(report(device="a@1"), Policy(name="p", summary="s"))
    facts["report"]["copied_groups"] = {"frames": 120, "why": ["nothing to mask"]}
    written = report_page(facts)
    for word in ("a@1", "copied_groups: frames", "120", "nothing to mask", "41.5"):
        assert word in written


def test_the_timeline_is_told_in_words_and_drawn_to_scale() -> None:
    """V-02: how often, how long, from when until when."""
    found = report().model_dump(mode="json")["found"]
    assert described(found, 10.0) == (
        "face: masked in 2 intervals, 0:03.0 of 0:10.0, first at 0:00.0, last until 0:04.3. "
        "text: masked once, 0:10.0 of 0:10.0, first at 0:00.0, last until 0:10.0."
    )
    drawn = timeline_figure(found, 10.0)
    assert 'x="463.33"' in drawn
    assert 'width="1000.00"' in drawn
    assert drawn.count("<rect") == 3


def test_nothing_masked_and_joined_intervals_are_said_plainly() -> None:
    """V-02: an empty timeline is a statement; so is one that was made shorter."""
    assert "Nothing was masked." in page(found=())
    assert "short pauses between them are not shown" in page(found_joined=True)
    assert "no frame was examined" in page(accounts={})


def test_times_are_written_as_a_clock() -> None:
    """Tenths carry over."""
    assert [clock(second) for second in (0, 9.96, 61.5, 3599.99, 7322.4)] == [
        "0:00.0",
        "0:10.0",
        "1:01.5",
        "1:00:00.0",
        "2:02:02.4",
    ]


def test_a_cosmetic_effect_is_called_cosmetic_on_the_page() -> None:
    """V-07: nobody takes a blur for de-identification."""
    assert "Cosmetic only: face, head." in page(cosmetic=("face", "head"))
    assert "osmetic" not in page()
