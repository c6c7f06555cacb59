"""V-15: what the second look finds is masked and looked at again, or the chunk is given to a person."""

from __future__ import annotations

from fractions import Fraction

import pytest

from opendrape.domain.policy import MaskRule, ResidualRule, Role
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import Disposition, ResidualFound
from opendrape_masker.engine.boxes import Box, covered_share
from tests.fakes.detectors import Hit, ScriptedDetector, ScriptedReader
from tests.integration.masker.workbench import AGAIN, FACE, POLICY, SIZE, Bench, Masked, walker

OVERLOOKED = (140.0, 20.0, 164.0, 50.0, 0.8)
CHECKED = POLICY.model_copy(update={"residual": (AGAIN,)})
TEXT_AGAIN = ResidualRule(role=Role.TEXT, max_gap_seconds=Fraction(2, 5), long_side_pixels=192, score=0.5)
READ = POLICY.model_copy(update={"residual": (TEXT_AGAIN,)})


class SeesWhatIsOpen(ScriptedDetector):
    """Sees its script where the picture is not painted over: a fair second look at the written file."""

    def _see(self, picture, frame):  # type: ignore[no-untyped-def]
        found = super()._see(picture, frame)
        return [hit for hit in found if picture[int(hit.y0) : int(hit.y1), int(hit.x0) : int(hit.x1)].mean() > 30]


def overlooked_from(first: int, last: int) -> SeesWhatIsOpen:
    return SeesWhatIsOpen(lambda frame: [OVERLOOKED] if first <= frame < last else [], SIZE, name="second")


def is_hidden(masked: Masked, frame: int, hit: Hit = OVERLOOKED) -> bool:
    return covered_share(Box(*hit[:4]), [rect.box for rect in masked.painted[frame]]) > 0.99


def test_a_clean_file_needs_one_round(bench: Bench) -> None:
    """V-15: looked at again at the agreed distance and at both ends, with the other detector."""
    second = ScriptedDetector({}, SIZE, name="second")
    done = bench.with_(policy=CHECKED, second=second).mask(FrameSpan(7, 50))
    assert second.asked == sorted({7, 49, *(f for f in bench.clip.timeline.looks(Fraction(2, 5)) if 7 <= f < 50)})
    assert done.report.checks.residual_frames_examined == len(second.asked)
    assert done.report.checks.remasked_rounds == 0
    assert done.report.checks.residual_findings == ()
    assert [(use.purpose, use.model) for use in done.report.models] == [("detect", "scripted"), ("residual", "second")]


def test_an_overlooked_face_is_masked_up_to_the_neighbouring_second_looks(bench: Bench) -> None:
    """V-15: found in the written file, masked where it was found and around, found no more."""
    nobody, second = ScriptedDetector({}, SIZE), overlooked_from(20, 21)
    done = bench.with_(policy=CHECKED, first=nobody, second=second).mask()
    assert done.report.checks.remasked_rounds == 1
    assert done.report.checks.residual_findings == ()
    assert [frame for frame in range(75) if is_hidden(done, frame)] == list(range(10, 31))
    (rect,) = done.painted[11]
    assert (rect.x0, rect.y0, rect.x1, rect.y1) == (132, 10, 172, 60), "a quarter more on each side, and the margin"


def test_the_first_round_of_a_remasked_chunk_leaves_nothing_in_the_file(bench: Bench) -> None:
    """V-16: the file of a round is written over by the next one, evidence too."""
    aside = (4.0, 94.0, 28.0, 124.0, 0.8)  # where the first detector's face never passes: it would be hidden by luck
    done = bench.with_(policy=CHECKED, second=SeesWhatIsOpen(lambda _: [aside], SIZE, name="second")).mask()
    assert all(is_hidden(done, frame, aside) for frame in range(75))
    assert sorted(path.name for path in done.folder.iterdir()) == ["chunk.nut", "evidence.bin"]
    assert [record.frame for record in done.records] == list(range(75))


def test_the_second_detector_helps_where_something_was_found(bench: Bench) -> None:
    """V-15: around a finding both detectors look, at every look of the first."""
    moving = SeesWhatIsOpen(
        lambda f: [(4.0 * (f - 10), 90, 4.0 * (f - 10) + 24, 120, 0.8)] if 10 < f < 40 else [], SIZE
    )
    done = bench.with_(policy=CHECKED, second=moving).mask()
    assert done.report.checks.remasked_rounds >= 1
    looks = [f for f in bench.clip.timeline.looks(FACE.max_gap_seconds) if 11 <= f < 40]
    assert all(is_hidden(done, f, (4.0 * (f - 10), 90, 4.0 * (f - 10) + 24, 120, 0.8)) for f in looks)


def test_a_finding_that_no_mask_satisfies_goes_to_a_person(bench: Bench) -> None:
    """V-15: three rounds, then quarantine; a finding that walks away from its masks."""

    class Stubborn(ScriptedDetector):
        def _see(self, picture, frame):  # type: ignore[no-untyped-def]
            x = 33.0 * self.asked.count(20) % 160
            self.script = {20: [(x, 90, x + 12, 110, 0.9)]}
            return super()._see(picture, frame)

    nobody = ScriptedDetector({}, SIZE)
    with pytest.raises(ResidualFound) as found:
        bench.with_(policy=CHECKED, first=nobody, second=Stubborn({}, SIZE)).mask()
    assert found.value.disposition is Disposition.QUARANTINE
    assert "3 rounds" in str(found.value)


def test_a_strict_policy_asks_a_person_at_once(bench: Bench) -> None:
    """V-15: quarantine instead of a second try."""
    second = overlooked_from(20, 21)
    strict = AGAIN.model_copy(update={"on_finding": "quarantine"})
    with pytest.raises(ResidualFound):
        bench.with_(policy=POLICY.model_copy(update={"residual": (strict,)}), second=second).mask()
    assert second.asked.count(20) == 1


def test_a_strict_rule_for_text_does_not_make_faces_strict(bench: Bench) -> None:
    """V-15: each role's own rule decides."""
    strict = TEXT_AGAIN.model_copy(update={"on_finding": "quarantine"})
    policy = POLICY.model_copy(update={"residual": (AGAIN, strict)})
    done = bench.with_(policy=policy, second=overlooked_from(20, 21), reader=ScriptedReader("")).mask()
    assert done.report.checks.remasked_rounds == 1


@pytest.mark.parametrize(("shift", "rounds"), [(0, 0), (3, 0), (30, 1)])
def test_hits_that_masks_hide_mostly_are_no_findings(bench: Bench, shift: int, rounds: int) -> None:
    """V-15: the rim of a mask is not a person; what lies beside it is."""
    face = (60.0, 40.0, 90.0, 80.0, 0.9)
    beside = (face[0] + shift, face[1], face[2] + shift, face[3], 0.9)
    second = ScriptedDetector(lambda _frame: [beside], SIZE)
    first = ScriptedDetector(lambda _frame: [face], SIZE)
    tight = FACE.model_copy(update={"grow": 0.0})
    policy = CHECKED.model_copy(update={"detect": (tight,), "mask": MaskRule(dilate_pixels=0)})
    assert bench.with_(policy=policy, first=first, second=second).mask().report.checks.remasked_rounds == rounds


def test_a_hit_in_the_corner_of_an_ellipse_is_a_finding(bench: Bench) -> None:
    """V-15, V-07: an ellipse does not hide what its rectangle would."""
    first = ScriptedDetector(lambda _frame: [(40.0, 20.0, 140.0, 120.0, 0.9)], SIZE)
    second = ScriptedDetector({20: [(42.0, 22.0, 56.0, 36.0, 0.9)]}, SIZE)
    tight = FACE.model_copy(update={"grow": 0.0})
    policy = CHECKED.model_copy(update={"detect": (tight,), "mask": MaskRule(shape="ellipse", dilate_pixels=0)})
    done = bench.with_(policy=policy, first=first, second=second).mask()
    assert done.report.checks.remasked_rounds == 1
    assert min(rect.x1 for rect in done.painted[20]) < 70, "the small one stays, though in the large one's rectangle"
    boxed = policy.model_copy(update={"mask": MaskRule(dilate_pixels=0)})
    assert bench.with_(policy=boxed, first=first, second=second).mask().report.checks.remasked_rounds == 0


def test_hits_under_the_score_are_no_findings(bench: Bench) -> None:
    """V-15: by policy."""
    faint = ScriptedDetector(lambda _frame: [(*OVERLOOKED[:4], 0.49)], SIZE)
    assert bench.with_(policy=CHECKED, second=faint).mask().report.checks.remasked_rounds == 0


@pytest.mark.parametrize(("line", "rounds"), [("", 0), ("a!", 0), ("a-/.b", 0), ("A1c", 1), ("Müller", 1)])
def test_what_is_taken_for_text_counts_when_it_can_be_read(bench: Bench, line: str, rounds: int) -> None:
    """V-15: three letters or figures make text; less is texture."""
    second = overlooked_from(20, 21)
    second.role = Role.TEXT
    done = bench.with_(policy=READ, second=second, reader=ScriptedReader(line)).mask()
    assert done.report.checks.remasked_rounds == rounds
    assert is_hidden(done, 20) == bool(rounds)


def test_the_reader_is_not_asked_about_faces(bench: Bench) -> None:
    """V-15: a face counts whatever a reader says."""
    done = bench.with_(policy=CHECKED, second=overlooked_from(20, 21), reader=None).mask()
    assert done.report.checks.remasked_rounds == 1


def test_findings_stay_inside_the_picture(bench: Bench) -> None:
    """V-15: a finding at the very corner is masked to the edges."""
    corner = (0.0, 0.0, 14.0, 16.0, 0.9)
    second = SeesWhatIsOpen({20: [corner]}, SIZE)
    done = bench.with_(policy=CHECKED, first=ScriptedDetector({}, SIZE), second=second).mask()
    (rect,) = done.painted[20]
    assert (rect.x0, rect.y0) == (0, 0)
    assert is_hidden(done, 20, corner)


def test_looking_again_reads_the_written_file_and_not_the_source(bench: Bench) -> None:
    """V-15: where the first look masked, the second sees paint."""
    seen: dict[int, float] = {}

    class Remembers(ScriptedDetector):
        def _see(self, picture, frame):  # type: ignore[no-untyped-def]
            x0, y0, x1, y1, _ = walker(frame)[0] if walker(frame) else (0, 0, 1, 1, 0)
            seen[frame] = float(picture[int(y0) : int(y1), int(x0) : int(x1)].mean())
            return []

    bench.with_(policy=CHECKED, second=Remembers({}, SIZE)).mask()
    assert all(mean < 12 for frame, mean in seen.items() if walker(frame))
    assert any(walker(frame) for frame in seen)


def test_rounds_add_their_time_and_progress_starts_again(bench: Bench) -> None:
    """O-02: the report has the time of all rounds; progress is a share of the present one."""
    shares: list[float] = []
    done = bench.with_(policy=CHECKED, second=overlooked_from(20, 21), progress=shares.append).mask()
    assert min(shares) > 0
    assert max(shares) == pytest.approx(1.0)
    assert shares.count(max(shares)) == 2
    assert {"decode", "encode", "render", "check", "wait_for_looks", "wait_and_link"} <= set(done.report.seconds)
    assert done.report.peak_memory_bytes > 1 << 20
