"""V-05: time of which the looks cannot tell keeps a video back until a person said where the endoscope was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.domain.body_review import awaiting_review
from opendrape.domain.policy import DetectRule, Policy, ResidualRule
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.scene_rules import OutOfBodyRule
from opendrape.domain.states import AssetState
from opendrape.domain.work import ArtefactKind, WorkKind
from opendrape_masker import children, chunk_child
from opendrape_masker.detectors.out_of_body import BuiltInOutOfBody
from tests.fakes.detectors import ScriptedReader
from tests.integration.masker.ledger_bench import ASSET, LedgerBench, run_here
from tests.integration.masker.scene_footage import drawn, half_out, room, tissue
from tests.integration.masker.test_scenes import BASE, OUT_OF_BODY, Stage, all_black, cut_together
from tests.integration.masker.workbench import Clip

WATCHED = BASE.model_copy(update={"detect": (OUT_OF_BODY,), "chunk_seconds": Fraction(2)})
IN, OUT = "in_body", "out_of_body"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clip]:
    folder = tmp_path_factory.mktemp("doubt")
    inside = tissue()
    doubtful, faint = half_out(inside, 0.45), half_out(inside, 0.40)
    return {
        "doubtful": drawn(folder / "a.mp4", cut_together((50, inside), (100, doubtful), (150, inside)), frames=150),
        "faint": drawn(folder / "b.mp4", cut_together((50, inside), (100, faint), (150, inside)), frames=150),
        "clear": drawn(folder / "c.mp4", cut_together((50, inside), (100, room), (150, inside)), frames=150),
    }


def reviewing(which: str, *confirmed: ConfirmedInterval) -> Policy:
    rule = OutOfBodyRule.model_validate({"review": which}).with_confirmed(confirmed)
    return WATCHED.model_copy(update={"out_of_body": rule})


def said(start: int, end: int, where: str) -> ConfirmedInterval:
    return ConfirmedInterval.model_validate({"start_frame": start, "end_frame": end, "where": where})


@pytest.mark.parametrize(
    ("clip", "review", "waits"),
    [
        ("doubtful", "uncertain", True),
        ("doubtful", "shown", False),  # it is black
        ("faint", "uncertain", True),
        ("faint", "shown", True),  # it is not
        ("faint", "none", False),
        ("clear", "uncertain", False),
    ],
)
def test_the_policy_says_which_time_in_doubt_waits(
    clips: dict[str, Clip], tmp_path: Path, clip: str, review: str, waits: bool
) -> None:
    """V-05: measured on pictures; a clear change of scene waits for nobody."""
    policy = reviewing(review)
    report = Stage(clips[clip], tmp_path).mask(policy, cuts=(75,))
    assert bool(awaiting_review(report.out_of_body, policy.out_of_body)) is waits


def test_every_frame_of_the_doubtful_scene_is_named(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-05: the person must be sent to all of it."""
    report = Stage(clips["doubtful"], tmp_path).mask(WATCHED)
    waiting = awaiting_review(report.out_of_body, WATCHED.out_of_body)
    named = {frame for one in waiting for frame in range(one.start_frame, one.end_frame)}
    assert named >= set(range(50, 100))
    assert not named & {*range(30), *range(120, 150)}


@pytest.mark.parametrize("where", [IN, OUT])
def test_what_a_person_said_settles_it(clips: dict[str, Clip], tmp_path: Path, where: str) -> None:
    """V-05: confirmed time wins in the picture, and nothing is in doubt any more."""
    stage = Stage(clips["doubtful"], tmp_path)
    policy = reviewing("uncertain", said(0, 150, IN), *([said(50, 100, OUT)] if where == OUT else []))
    report = stage.mask(policy, cuts=(75,))
    assert awaiting_review(report.out_of_body, policy.out_of_body) == ()
    black = [level < 40 for level in stage.brightest]
    assert black == [where == OUT and 50 <= frame < 100 for frame in range(150)]


def test_half_an_answer_is_not_enough(clips: dict[str, Clip], tmp_path: Path) -> None:
    """V-05: what nobody spoke of stays in doubt, and black."""
    stage = Stage(clips["doubtful"], tmp_path)
    policy = reviewing("uncertain", said(0, 75, IN))
    report = stage.mask(policy)
    waiting = awaiting_review(report.out_of_body, policy.out_of_body)
    assert waiting
    assert min(one.start_frame for one in waiting) == 75
    assert all_black(stage.brightest[75:100])


class HeuristicAlone:
    """In place of the child's models: out of the body is all that is looked for."""

    def __init__(self, _order: object) -> None:
        self._heuristic = BuiltInOutOfBody(floor_score=0.3)

    def __call__(self, rule: DetectRule | ResidualRule) -> BuiltInOutOfBody:
        return self._heuristic

    def reader(self) -> ScriptedReader:
        return ScriptedReader("")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "run_child", run_here)
    monkeypatch.setattr(chunk_child, "Detectors", HeuristicAlone)


@pytest.fixture
def benches(
    here: None, clips: dict[str, Clip], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[LedgerBench]:
    policy: Sequence[ConfirmedInterval] = getattr(request, "param", ())
    bench = LedgerBench(clips["doubtful"], tmp_path, reviewing("uncertain", *policy))
    yield bench
    bench.catalogue.close()


def test_a_video_in_doubt_is_quarantined_after_masking_and_nothing_is_joined(benches: LedgerBench) -> None:
    """V-05, V-16: with a reason of its own; the chunks and their reports stay for the person who looks."""
    chunks = len(benches.catalogue.chunks(ASSET))
    benches.work(chunks + 1)
    asset = benches.catalogue.asset(ASSET)
    assert (asset.state, asset.reason) == (AssetState.QUARANTINED, "uncertain_out_of_body")
    assert len(benches.artefacts(ArtefactKind.CHUNK)) == chunks
    assert benches.artefacts(ArtefactKind.MASKED) == []
    assert benches.items(WorkKind.DELIVER) == []
    reports = benches.catalogue.chunk_reports(ASSET, benches.policy.digest)
    assert any(one.in_doubt for report in reports for one in report.out_of_body)
    benches.assert_quiet()


@pytest.mark.parametrize("benches", [(said(0, 150, OUT),)], indirect=True)
def test_a_confirmed_video_goes_on_to_delivery(benches: LedgerBench) -> None:
    """V-05: the policy of this video carries what was said; the digest in its receipt covers it."""
    benches.work(len(benches.catalogue.chunks(ASSET)) + 1)
    assert len(benches.items(WorkKind.DELIVER)) == 1
    assert benches.catalogue.asset(ASSET).state is AssetState.DELIVERING
    assert benches.policy.digest != reviewing("uncertain").digest
