"""Which inserted identities the engine misses, on generated tissue and in surgical clips, by class."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.machine import ROOT, machine, test_media, versions
from opendrape.adapters.policy_files import read_policy
from opendrape.domain.policy import Policy
from opendrape.settings import Settings
from opendrape_masker.engine.looking import rules_for
from opendrape_masker.selftest.verdicts import ClipVerdict, EventVerdict, Tally, by_class, tally

_OUT: Final = ROOT / "docs" / "benchmarks"
_STATE: Final = ROOT / ".cache" / "selftest-state"
_MIRROR: Final = ROOT.parent / "shared" / "models"
_CLASSES: Final = (("size, px", "size"), ("look", "look"), ("course", "course"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of ``opendrape selftest``: a carrier, where its clip lies (None: generated), and its options."""

    carrier: str
    clip: str | None
    seed: int
    options: tuple[str, ...]


def entries() -> list[Entry]:
    """Seeds are just numbers in a row; more of them, more events."""
    tissue = ("--seconds", "20", "--events", "48")
    large = ("--seconds", "15", "--events", "48", "--width", "1920", "--height", "1080")
    surgical = [
        ("laparoscopy, 720p", "surgical/laparoscopy_720p_10s.mp4", (11, 12, 13)),
        ("laparoscopy with overlay, 720p", "surgical/laparoscopy_overlay_720p_5s.mp4", (21, 22)),
        ("suturing, 1080p", "surgical/suturing_1080p_1s.mp4", (31, 32)),
    ]
    generated = [Entry("generated tissue, 720p", None, seed, tissue) for seed in (1, 2, 3)]
    generated += [Entry("generated tissue, 1080p", None, seed, large) for seed in (4, 5)]
    return generated + [Entry(name, clip, seed, ("--events", "36")) for name, clip, seeds in surgical for seed in seeds]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one entry; ``failure`` when nothing was judged."""

    entry: Entry
    clip: ClipVerdict | None
    failure: str = ""


def run(entry: Entry, policy: str) -> Outcome:
    """Run the command as a user would."""
    media = test_media()
    options = [*entry.options, "--seed", str(entry.seed), "--policy", policy, "--state-dir", str(_STATE), "--json"]
    if entry.clip:
        options += ["--clip", str(media / entry.clip)]
    if (media / "images_faces").is_dir():
        options += ["--photographs", str(media / "images_faces")]
    environment = os.environ | ({"OPENDRAPE_MODELS_MIRROR": str(_MIRROR)} if _MIRROR.is_dir() else {})
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            [sys.executable, "-m", "opendrape.cli", "selftest", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
        )
    if not done.stdout:
        return Outcome(entry, None, f"exit code {done.returncode}")
    (clip,) = json.loads(done.stdout)["result"]["clips"]
    return Outcome(entry, ClipVerdict.model_validate(clip))


def page(outcomes: Sequence[Outcome], policy: Policy) -> str:
    """The page ``docs/benchmarks/selftest.md``."""
    events = [event for outcome in outcomes if outcome.clip for event in outcome.clip.events]
    promised = [event for event in events if event.counts]
    parts = [
        "# Self-test: recall of inserted identities\n\nWritten by `python -m benchmarks.selftest`; do not edit. "
        "How the suite is made and what counts: [selftest.md](../selftest.md).\n"
        f"Policy `{policy.name}` ({policy.digest[:8]}); {_versions()}.\n",
        f"**Promised events covered on every frame: {_cell(tally(promised), events=True)}; "
        f"their frames: {_cell(tally(promised), events=False)}.** Required: 0.995 of events.\n",
        "## By carrier\n\n" + "\n".join(_carriers(outcomes)),
    ]
    for kind in ("face", "text"):
        own = [event for event in promised if event.kind == kind]
        parts.append(f"## {kind.title()}: what the policy promises\n\n" + "\n".join(_classes(own)))
    apart = [event for event in events if not event.promised]
    parts.append(
        "## Measured apart\n\nShorter than the policy's `max_gap_seconds`, or faces below the smallest size of the "
        "suite.\n\n" + "\n".join(_classes(apart))
    )
    parts.append("## What was missed\n\n" + "\n".join(_misses(outcomes, policy)))
    return "\n\n".join(parts) + "\n"


def _versions() -> str:
    return ", ".join(f"{name} {value}" for name, value in versions().items())


def _carriers(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield from _head(
        "carrier",
        "seed",
        "frames",
        "events",
        "frames covered",
        "by luck",
        "masked elsewhere",
        "survived",
        "second look",
    )
    for outcome in outcomes:
        clip, name = outcome.clip, f"| {outcome.entry.carrier} | {outcome.entry.seed} "
        if clip is None or clip.quarantined:
            yield name + f"| {outcome.failure or (clip and clip.quarantined)} ||||||"
            continue
        counted = tally(event for event in clip.events if event.counts)
        survived = ", ".join(clip.surviving_identities) or "nothing"
        survived += f", {clip.surviving_audio_streams} streams with sound" if clip.surviving_audio_streams else ""
        by_luck = sum(event.promised and not event.counts for event in clip.events)
        again = f"{clip.residual_findings} left, {clip.remasked_rounds} rounds"
        yield (
            f"{name}| {clip.frames} | {_cell(counted, events=True)} | {_cell(counted, events=False)} "
            f"| {by_luck} | {clip.masked_elsewhere:.1%} | {survived} | {again} |"
        )


def _head(*titles: str) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"


def _classes(events: Sequence[EventVerdict]) -> Iterator[str]:
    yield "| class | value | events | frames |"
    yield "|---|---|---|---|"
    for heading, field in _CLASSES:
        for value, counted in by_class(events, field).items():
            yield f"| {heading} | {value} | {_cell(counted, events=True)} | {_cell(counted, events=False)} |"
    yield f"| all | | {_cell(tally(events), events=True)} | {_cell(tally(events), events=False)} |"


def _cell(counted: Tally, *, events: bool) -> str:
    share = counted.event_recall if events else counted.frame_recall
    good, whole = (counted.events_found, counted.events) if events else (counted.frames_covered, counted.frames)
    return "-" if share is None else f"{share:.3f} ({good}/{whole})"


def _misses(outcomes: Sequence[Outcome], policy: Policy) -> Iterator[str]:
    """``seen as``: how tall it is in the largest picture that a first detector gets to see."""
    yield "| carrier | seed | event | kind | look | course | px | seen as | promised | open frames | first of them |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for outcome in outcomes:
        clip = outcome.clip
        for event in clip.events if clip else ():
            if not event.found and clip:
                first = ", ".join(str(frame) for frame in event.missed_frames[:5])
                promised = "yes" if event.promised else "no"
                yield (
                    f"| {outcome.entry.carrier} | {outcome.entry.seed} | {event.name} | {event.kind} | {event.look} "
                    f"| {event.course} | {event.tall:.0f} | {_seen_as(event, clip, policy)} "
                    f"| {promised} | {event.frames - event.covered}/{event.frames} | {first} |"
                )


def _seen_as(event: EventVerdict, clip: ClipVerdict, policy: Policy) -> str:
    rules = rules_for(clip.width, clip.height, policy.detect)
    sides = [side for rule in rules if str(rule.role) == event.kind for side in rule.long_side_pixels]
    return f"{event.tall * max(sides) / max(clip.width, clip.height):.0f}" if sides else "-"


def main(arguments: list[str] | None = None) -> int:
    """Run all entries and write page and JSON; 1 when an entry could not be judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="faces")
    parser.add_argument("--only", default="", help="carriers whose name holds this")
    parser.add_argument("--first-seeds", action="store_true", help="one seed of every carrier: a short look")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for selftest.md and selftest.json")
    options = parser.parse_args(arguments)
    policy = read_policy(Settings().policy_folders, options.policy)
    here = [entry for entry in entries() if options.only in entry.carrier and _is_there(entry)]
    if options.first_seeds:
        here = list({entry.carrier: entry for entry in reversed(here)}.values())[::-1]
    options.out.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for entry in here:
        outcomes.append(run(entry, options.policy))
        _write(options.out, outcomes, policy)  # after each: a run that is cut short has still shown something
    return int(any(outcome.clip is None for outcome in outcomes))


def _write(folder: Path, outcomes: Sequence[Outcome], policy: Policy) -> None:
    (folder / "selftest.md").write_text(page(outcomes, policy), encoding="utf-8")
    rows = [
        {"carrier": o.entry.carrier, "failure": o.failure, "result": o.clip.model_dump(mode="json") if o.clip else None}
        for o in outcomes
    ]
    facts = {"machine": machine(), "versions": versions(), "policy": policy.name, "digest": policy.digest}
    (folder / "selftest.json").write_text(json.dumps(facts | {"runs": rows}) + "\n", encoding="utf-8")


def _is_there(entry: Entry) -> bool:
    return entry.clip is None or (test_media() / entry.clip).is_file()


if __name__ == "__main__":
    raise SystemExit(main())
