"""Every step between a decoded picture and a checked chunk, and the tests that notice when it is taken out."""

from __future__ import annotations

from tests.faults.mutants import Mutation
from tests.faults.steps_of_reading import READING

_ENGINE = "opendrape_masker.engine."
_UNIT = "tests/unit/masker"
_CHECK = "tests/integration/masker/test_fidelity_check.py"
_AGAIN = "tests/integration/masker/test_second_look.py"
_SEAMS = "tests/integration/masker/test_seams.py"
_FAULTS = "tests/integration/masker/test_faults_in_the_engine.py"
_STAGES = "tests/integration/masker/test_stages_overlap.py"


def _paint(step: str, function: str, **how: object) -> Mutation:
    tests = (f"{_UNIT}/test_paint.py", f"{_UNIT}/test_effects.py", f"{_UNIT}/test_whole_pictures.py", _CHECK)
    return Mutation(step, _ENGINE + "paint", function, tests, **how)  # type: ignore[arg-type]


def _check(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, _ENGINE + "checking", function, (_CHECK, _AGAIN), **how)  # type: ignore[arg-type]


def _second(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, _ENGINE + "second_look", function, (_AGAIN, _CHECK), **how)  # type: ignore[arg-type]


def _link(step: str, function: str, **how: object) -> Mutation:
    tests = (f"{_UNIT}/test_linking.py", f"{_UNIT}/test_linking_at_any_rate.py")
    return Mutation(step, _ENGINE + "linking", function, tests, **how)  # type: ignore[arg-type]


def _reach(step: str, function: str, **how: object) -> Mutation:
    tests = (f"{_UNIT}/test_linking.py", f"{_UNIT}/test_linking_at_any_rate.py")
    return Mutation(step, _ENGINE + "reach", function, tests, **how)  # type: ignore[arg-type]


def _like(step: str, function: str, **how: object) -> Mutation:
    tests = (f"{_UNIT}/test_linking.py", f"{_UNIT}/test_linking_at_any_rate.py")
    return Mutation(step, _ENGINE + "likeness", function, tests, **how)  # type: ignore[arg-type]


def _pass(step: str, function: str, **how: object) -> Mutation:
    tests = (f"{_UNIT}/test_linking.py", f"{_UNIT}/test_linking_at_any_rate.py", _UNIT)
    return Mutation(step, _ENGINE + "passages", function, tests, **how)  # type: ignore[arg-type]


def _chunk(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, _ENGINE + "chunk", function, (_AGAIN, _CHECK, _FAULTS), **how)  # type: ignore[arg-type]


def _proof(step: str, function: str, **how: object) -> Mutation:
    tests = (_CHECK, f"{_UNIT}/test_effects.py", "tests/integration/masker")
    return Mutation(step, _ENGINE + "mask_proof", function, tests, **how)  # type: ignore[arg-type]


def _look(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, _ENGINE + "looking", function, (_UNIT, _FAULTS, _AGAIN, _SEAMS), **how)  # type: ignore[arg-type]


def _follow(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, _ENGINE + "following", function, (f"{_UNIT}/test_following.py", _FAULTS, _SEAMS), **how)  # type: ignore[arg-type]


def _thread(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, _ENGINE + "encoding", function, (_FAULTS, _CHECK), **how)  # type: ignore[arg-type]


PAINTING = (
    _paint("paint a region", "Painter._fill", gives="Painted(rect)"),
    _paint("paint all planes", "Painter._fill", instead=("coat.fill", "coat.fill[:1]")),
    _paint("paint the margin", "Painter.rectangles", instead=("self.rule.dilate_pixels", "0")),
    _paint("paint what an ellipse leaves open", "Painter._makes_needless", instead=("coat.shape is Shape.BOX", "True")),
    _paint("apply the cosmetic effect", "Painter._apply_effect", gives="None"),
    _paint("paint solid what an effect hardly changes", "Painter._proven", instead=("not weak", "True")),
    _paint("paint small regions solid", "Painter.coat_of", instead=("coat.effect.is_cosmetic and small", "False")),
    _paint("paint solid what must be solid", "Painter.coat_of", instead=("rect.must_be_solid", "False")),
    _paint("paint in the video's colour range", "yuv_fill", instead=("media.colour.full_range", "False")),
    _paint(
        "paint in the video's colour matrix", "yuv_fill", instead=("_KR_KB.get(media.colour.matrix, _BT601)", "_BT601")
    ),
    _thread(
        "paint before encoding", "EncodingThread.encode", instead=("self._painter.paint(picture, rectangles)", "[]")
    ),
    _thread("keep evidence", "EncodingThread.encode", without="self._evidence.add"),
    _thread("write every picture", "EncodingThread.encode", without="output.write"),
    _thread("tell an encoder's error at the next picture", "EncodingThread._give", without="self._raise_error"),
    _thread("tell an encoder's error at the end", "EncodingThread.finish", without="self._raise_error"),
    _thread("keep an encoder's error", "EncodingThread._work", without="self._error = error"),
    _thread("end the encoder's thread", "EncodingThread.abandon", gives="None"),
)
EVIDENCE = (
    Mutation(
        "notice evidence that ends early",
        _ENGINE + "evidence",
        "_whole",
        (_CHECK,),
        instead=("len(part) != size", "False"),
    ),
    Mutation(
        "let the lattice wander",
        _ENGINE + "evidence",
        "_lattice",
        (f"{_UNIT}/test_small_matters.py", _CHECK),
        instead=("frame * 7 % step", "0"),
    ),
    Mutation(
        "sample every plane",
        _ENGINE + "evidence",
        "lattice_samples",
        (_CHECK, _UNIT),
        instead=("picture.planes[:3]", "picture.planes[:1]"),
    ),
    Mutation(
        "leave painted samples out", _ENGINE + "evidence", "lattice_outside", (_CHECK,), without="outside[top:bottom"
    ),
)
CHECKING = (
    _check("check times", "ChunkCheck._check_time", gives="None"),
    _check("check the written time", "ChunkCheck._check_time", instead=("picture.tick == meant", "True")),
    _check("check the remembered time", "ChunkCheck._check_time", instead=("record.tick == meant", "True")),
    _check("check the order", "ChunkCheck._check_time", instead=("record.frame == frame", "True")),
    _check("check pixels", "ChunkCheck._check_pixels", gives="99.0"),
    _check("check geometry", "ChunkCheck._check_pixels", without="if len(got)"),
    _check("insist on the PSNR", "ChunkCheck._check_pixels", without="if psnr <"),
    _check(
        "check masks",
        "ChunkCheck._check_encoded",
        instead=("prove_masks(picture, record.painted, painter)", "len(record.painted)"),
    ),
    _check("count frames to the longer end", "ChunkCheck._check_encoded", instead=("zip_longest", "zip")),
    _check("count frames to the end of the span", "ChunkCheck.run", without="if self._frames + copied"),
    _check("check what was copied", "ChunkCheck.run", instead=("self._check_copied(examine)", "0")),
    _check("look a second time", "ChunkCheck._check_encoded", without="examine(picture"),
    _second("count what was found", "SecondLooks._collect", instead=("self._pending.popleft().result()", "[]")),
    _second(
        "take a hit under the score for nothing",
        "SecondLook.uncovered",
        instead=("one.score >= self.rule.score", "True"),
    ),
    _second(
        "forgive what is hidden",
        "SecondLook.uncovered",
        instead=("covered_share(one.box, masks) < _HIDDEN_ENOUGH", "True"),
    ),
    _second("insist on hiding most", "", instead=("0.7", "0.01")),
    _second("read what is taken for text", "_is_readable", gives="True"),
    _second("believe what is read", "_is_readable", gives="False"),
    _proof("prove solid masks", "_prove_solid", gives="None"),
    _proof("prove solid masks on all planes", "_prove_solid", instead=("planes", "planes[:1]")),
    _proof("insist on a solid share", "", instead=("0.9", "0.4")),
    _proof("insist on the colour", "", instead=("24", "90")),
    _proof("prove cosmetic masks", "_prove_cosmetic", gives="None"),
    _proof("prove that an effect changed something", "_prove_cosmetic", without="if not is_plainly_changed"),
    _proof("prove that the source does not show", "_prove_cosmetic", without="if shows_the_source"),
    _proof("prove that a cosmetic mask is what was painted", "_prove_cosmetic", without="if not is_what_was_painted"),
)
ROUNDS = (
    _chunk("check at all", "ChunkMasker.run", instead=("checks.residual_findings", "()")),
    _chunk("end when something is still found", "ChunkMasker.run", without="raise ResidualFound"),
    _chunk("render again", "", instead=("3", "1")),
    _chunk("quarantine where the policy says so", "ChunkMasker._remask_or_quarantine", without="if any"),
    _chunk("mask what was found", "ChunkMasker._remasked", gives="[]"),
    _chunk("mask it up to the neighbouring looks", "ChunkMasker._around", gives="FrameSpan(frame, frame + 1)"),
    _chunk("mask around it", "", instead=("0.25", "0.0")),
    _chunk("mask it solid", "marked_around", instead=("True", "False")),
    _chunk(
        "keep marked regions while masking again",
        "ChunkMasker._render",
        instead=("(*self.job.regions, *self._remasked())", "tuple(self._remasked())"),
    ),
    _chunk("look with the second eye there", "ChunkMasker._watches", without="if residual and found"),
    _chunk(
        "look again at both ends",
        "ChunkMasker._second_frames",
        instead=("{span.start, span.end - 1}", "set()"),
    ),
    _chunk(
        "look again in between",
        "ChunkMasker._second_frames",
        instead=("{f for f in timeline.looks(rule.max_gap_seconds) if f in span}", "set()"),
    ),
    _chunk("look again with every residual rule", "ChunkMasker._second_looks", gives="[]"),
)
LINKING = (
    _link("link sightings", "TrackLine._link", gives="None"),
    _link("link across one missed look", "TrackLine.add", instead=("self.reach.bridge", "0")),
    _link("ignore what is under the weak score", "TrackLine.add", instead=("s.score >= self.rule.weak_score", "True")),
    _link("recover weak sightings", "TrackLine.is_kept", gives="sighting.score >= self.rule.strong_score"),
    _link("drop weak sightings alone", "TrackLine.is_kept", gives="True"),
    _link("link backwards", "TrackLine._chain", instead=("('before', 'after')", "('before',)")),
    _link("link forwards", "TrackLine._chain", instead=("('before', 'after')", "('after',)")),
    _link(
        "hold before the first sighting",
        "TrackLine._passages_of",
        without="if self._may_end(sighting, sighting.before, 'before')",
    ),
    _link(
        "hold after the last sighting",
        "TrackLine._passages_of",
        instead=("self._held(sighting, forward=True)", "Passage(here, here, sighting.box, sighting.box)"),
    ),
    _link("drift on while holding", "TrackLine._drift", gives="(0.0, 0.0)"),
    _pass("bound the drift", "Passage._held_at", instead=("self.most", "inf")),
    _link("link what leaps", "TrackLine._link", instead=("self._hurries", "False")),
    _link("link what is on a straight course", "TrackLine._follow", gives="None"),
    _link("count what is doubtful again and again", "TrackLine._is_repeated", gives="False"),
    _link("go on after a last weak hit", "TrackLine._may_end", gives="linked is None or not self.is_kept(linked)"),
    _like(
        "let only what is certain leap",
        "leaps",
        instead=("(ratio <= _LEAP_SIZE_RATIO) & certain[0][:, None] & certain[1][None]", "ratio <= _LEAP_SIZE_RATIO"),
    ),
    _link("reach out to the border", "TrackLine._reaching_out", gives="box"),
    _link("take a thing for as large as its neighbours", "TrackLine._extent", gives="sighting.box"),
    _pass("grow with speed", "Passage.at", instead=("_SPEED_GROWTH", "0.0")),
    _link("grow as the rule says", "TrackLine.targets", instead=("self.rule.grow", "0.0")),
    _pass(
        "follow a thing between looks", "Passage.at", instead=("between(self.first, self.last, share)", "self.first")
    ),
    _like("keep things of another size apart", "affinities", instead=("ratio <= _SIZE_RATIO", "True")),
    _like(
        "keep things far away apart", "affinities", instead=("(common >= _LEAST_OVERLAP) | (nearness > 0.0)", "True")
    ),
    _reach("wait for what is ahead", "Reach.ahead", gives="0"),
    _reach("decode what comes before a chunk", "Reach.context", gives="0"),
    _link(
        "renew masks when a look comes in",
        "TrackLine._passages_at",
        instead=("known_at != self.newest", "known_at is None"),
    ),
    _link("look far enough back", "TrackLine._span", gives="0"),
    _link("not call masks final too early", "TrackLine.final", gives="True"),
)
FOLLOWING = (
    _follow("tell where lettering goes", "shifted", gives="None"),
    _follow("insist on finding it again", "shifted", without="if best <"),
    _follow("compare detail, not brightness", "_detail", gives="luma.astype(np.float32)"),
    _follow("take nothing for flat", "shifted", without="if float(np.abs(sample).mean())"),
    _follow("compare with what comes before", "Follower._paces", instead=("self._pace(look, before, box)", "None")),
    _follow("compare with what comes after", "Follower._paces", instead=("self._pace(look, after, box)", "None")),
    _follow("wait for what comes after", "Follower.is_complete", gives="True"),
    _follow(
        "tell a copy's error", "Follower.paced", instead=("self._small.pop(frame).result()", "self._small.pop(frame)")
    ),
    Mutation(
        "keep up the pace that was told",
        _ENGINE + "linking",
        "TrackLine._drift",
        (f"{_UNIT}/test_following.py",),
        without="if pace is not None and any(pace)",
    ),
    _look("decode what a look is compared with", "Watch.needed", gives="self.line.needed(first, last)"),
    _look("copy what a look is compared with", "Watch.wants", gives="self.is_look(frame)"),
    _look("take answers in when they are complete", "Watch._has_next", gives="bool(self._asked)"),
)
LOOKING = (
    _look(
        "insist on an answer of the detector",
        "Watch._take_in_one",
        instead=("answer.result()", "(answer.result() if not answer.exception() else [])"),
    ),
    _look("look with the second eye where something was found", "Watch._doubly", gives="False"),
    _look("count the same thing once", "merge_same", gives="found"),
    _look("hide all of what counts once", "merge_same", instead=("hull(one.box, seen.box)", "one.box")),
    _look("put frames into exactly one count", "_account", gives="FrameAccount(examined=1)"),
    _look("mask marked regions", "marked_targets", gives="[]"),
    _look("mask marked regions from their start only", "marked_targets", instead=("r.start_frame <= frame", "True")),
    _look("mask marked regions to their end only", "marked_targets", instead=("frame < r.end_frame", "True")),
    Mutation(
        "wait for the looks that a group is judged by",
        _ENGINE + "looking",
        "Watch.sees_something",
        (_STAGES,),
        without="self.keep_up",
    ),
    Mutation(
        "look again at copied groups",
        _ENGINE + "chunk",
        "ChunkMasker._second_frames",
        (_STAGES,),
        instead=("wanted - inside | {group.start}", "wanted - inside"),
    ),
    Mutation(
        "encode a touched group behind the search",
        _ENGINE + "groups",
        "Stretch.is_read_again",
        (_STAGES,),
        gives="False",
    ),
    Mutation(
        "paint only final masks", _ENGINE + "render", "Renderer._is_settled", (_SEAMS, _FAULTS, _CHECK), gives="True"
    ),
    Mutation(
        "decode what masks depend on",
        _ENGINE + "render",
        "Renderer._wide_span",
        (_SEAMS, _FAULTS),
        gives="self.job.span",
    ),
    Mutation(
        "forget nothing that is needed",
        _ENGINE + "linking",
        "TrackLine.forget_before",
        (_SEAMS, f"{_UNIT}/test_linking.py"),
        instead=("self.reach.context", "0"),
    ),
)
STEPS = (*READING, *PAINTING, *EVIDENCE, *CHECKING, *ROUNDS, *LINKING, *FOLLOWING, *LOOKING)
