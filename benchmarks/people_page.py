"""How the figures about people, vehicles, screens and plates read as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """# People, vehicles, screens and plates

Written by `python -m benchmarks.people` (part of `make bench`); do not edit. One look alone, without tracking.

What the figures cannot say: the annotated pictures are from COCO train2017, which both networks were trained on, so
unseen pictures come out worse; they show few screens (telephones only) and no legible plates, so plates are painted
onto true vehicles. *Large* is at least 1 % of the picture. A false alarm is a mask that lies on nothing of its group.
CPU time is of all threads together, shrinking and decoding included, on a machine that was busy with other work.
"""


def page(facts: Mapping[str, Any]) -> str:
    """The page ``docs/benchmarks/people.md``."""
    used = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    parts = [_HEAD, f"Versions: {used}.", *_looks(facts["rows"]), *_tissue(facts["tissue"]), *_faces(facts["faces"])]
    return "\n".join([*parts, *_plates(facts["plates"])]) + "\n"


def _looks(rows: Mapping[str, Any]) -> Iterator[str]:
    first = next(iter(rows.values()))
    groups = list(first["hidden"])
    yield "\n## True boxes hidden to 90 % / to 50 %, by one look\n"
    yield _line("look", "grown", *(f"{g} ({first['hidden'][g][2]})" for g in groups), "false persons", "CPU ms")
    yield "|---" * (len(groups) + 4) + "|"
    for name, row in rows.items():
        cells = [f"{row['hidden'][g][0]:.2f} / {row['hidden'][g][1]:.2f}" for g in groups]
        people = f"{row['false_alarms']['person']} of {row['masks']['person']}"
        yield _line(name, f"{row['grow']:.2f}", *cells, people, f"{row['cpu_ms']:.0f}")


def _tissue(clips: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Share of the picture masked as people, vehicles or screens where the camera is inside a body\n"
    yield "Small networks take tissue for a person. `nobody_inside` (on in `full`) drops large people when box and"
    yield "picture look surely inside and no face is seen. The suturing clip shows hands: they are people.\n"
    yield _line("clip", "as the network says", "with `nobody_inside`")
    yield "|---|---|---|"
    for name, (plain, doubting) in clips.items():
        yield _line(name, f"{plain:.3f}", f"{doubting:.3f}")


def _faces(clips: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## True faces that lie under the masks of people alone\n"
    yield "The face detector is left out: what the masks of bodies add for heads.\n"
    yield _line("clip", "covered to 90 %")
    yield "|---|---|"
    for name, (covered, total) in clips.items():
        yield _line(name, f"{covered} of {total}")


def _plates(rows: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Painted plates hidden to 90 % / to 50 %\n"
    yield "The plate detector was made for a camera at a barrier. Policy `full` does without it: vehicles and text hide"
    yield "plates. `plate` stays a role for a site's own model.\n"
    yield _line("masks of", "hidden", "plates")
    yield "|---|---|---|"
    for name, (nine, five, count) in rows.items():
        yield _line(name, f"{nine:.2f} / {five:.2f}", str(count))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
