"""Every step between a still picture's file and its masked, checked one, and the tests that notice its absence."""

from __future__ import annotations

from tests.faults.mutants import Mutation

_FILES = "tests/unit/masker/test_still_files.py"
_READ = "tests/unit/media/test_stills.py"


def _still(step: str, module: str, function: str, **how: object) -> Mutation:
    return Mutation(step, f"opendrape_masker.stills.{module}", function, (_FILES,), **how)  # type: ignore[arg-type]


def _read(step: str, module: str, function: str, **how: object) -> Mutation:
    return Mutation(step, f"opendrape.media.stills.{module}", function, (_READ, _FILES), **how)  # type: ignore[arg-type]


STEPS = (
    _read("refuse a giant picture before it is decoded", "reading", "facts_of", without="limits.check_picture"),
    _read("refuse a giant file before it is read", "reading", "read_still", without="must(file.size"),
    _read("refuse a profile of another kind", "reading", "facts_of", without="if facts.profile"),
    _read("refuse an animated PNG", "png", "read_png", without="must(kind not in _ANIMATED"),
    _read("refuse an animated WebP", "webp", "read_webp", without="must(kind not in"),
    _read("refuse a TIFF of several pages", "tiff", "_File.__init__", without="must(self._number('I'"),
    _read("refuse CMYK", "jpeg", "read_jpeg", without="must(channels in"),
    _read("refuse other codings", "jpeg", "_take", without="must(marker in _READ"),
    _read("refuse a damaged chunk", "png", "chunks", without="must(zlib.crc32"),
    _read("keep words out of a profile", "colour_profile", "_checked", instead=("content[8:size]", "content[8:]")),
    _read("find bytes behind a PNG", "png", "survivors_in_png", instead=("size != len(data)", "False")),
    _read("find chunks that do not belong", "png", "survivors_in_png", without="found.add('further_data')"),
    _read("find what is left", "reading", "survivors", gives="()"),
    _still("refuse what is transparent", "decoding", "_opaque", without="must((samples"),
    _still("believe the decoder's size, not the header's", "decoding", "decoded", without="must(samples.shape[:2]"),
    _still("turn upright", "decoding", "decoded", instead=("_TURNS[facts.orientation]", "_TURNS[1]")),
    _still("paint", "masking", "StillMasker._write", instead=("seen.rectangles", "[]")),
    _still("mask what somebody marked", "masking", "StillMasker._look", instead=("job.regions", "()")),
    _still("mask what the second look found", "masking", "StillMasker._remasked", gives="[]"),
    _still("prove what was written", "masking", "StillMasker.run", instead=("prove_written", "(lambda *_: None)")),
    _still("look again", "masking", "StillMasker._look_again", gives="[]"),
    _still("quarantine", "masking", "StillMasker._remask_or_quarantine", without="if any("),
    _still("look at a larger size", "looking", "larger_too", gives="tuple(sizes)"),
    _still("count what is seen less well", "looking", "policy_for_stills", instead=("_COUNTS_FROM", "1")),
    _still(
        "change nothing beside the masks",
        "photograph",
        "Photograph.over",
        instead=("np.where(covered[..., None], painted, samples)", "painted"),
    ),
    _still("read back for words", "checking", "written_picture", instead=("survivors(file, facts)", "()")),
    _still("read back for another kind", "checking", "written_picture", without="if (facts.kind"),
    _still("read back for another size", "checking", "written_picture", without="if written.shape"),
    _still("prove masks", "checking", "prove_written", without="prove_masks("),
    _still("compare a lossless picture", "checking", "prove_written", without="if not np.array_equal"),
    _still("insist on nearness", "checking", "prove_written", without="if level <"),
)
