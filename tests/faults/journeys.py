"""Which ways lead through the whole pipeline, and which faults may lie on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.calls import Key

POLICY = """
version = 1
name = "tiny"
summary = "Everything the engine can do, at sizes that take a moment."
chunk_seconds = "0.5"

[[detect]]
role = "face"
max_gap_seconds = "0.2"
long_side_pixels = [320]
strong_score = 0.5
weak_score = 0.3

[[detect]]
role = "text"
max_gap_seconds = "0.5"
motion = "static"
long_side_pixels = [320]
strong_score = 0.99
weak_score = 0.99

[[residual]]
role = "face"
max_gap_seconds = "0.5"
long_side_pixels = 320
score = 0.9

[[residual]]
role = "text"
max_gap_seconds = "0.5"
long_side_pixels = 320
score = 0.6
"""
PLAIN_POLICY = """
version = 1
name = "plain"
summary = "One detector once, for journeys whose interest lies around the engine."
chunk_seconds = "0.5"

[[detect]]
role = "face"
max_gap_seconds = "0.5"
long_side_pixels = [160]
strong_score = 0.5
weak_score = 0.5
"""


@dataclass(frozen=True)
class Journey:
    """One way through the pipeline; ``more`` are settings by environment, ``ending`` says what goes through it."""

    name: str
    command: str
    children_here: bool = True
    policy: str = "tiny"
    more: tuple[tuple[str, str], ...] = ()
    ending: str = ".mp4"


MASK = Journey("mask", "mask")
TWO_PASSES = Journey("mask in two passes", "mask", more=(("OPENDRAPE_MASKER__WINDOW_MEMORY_BYTES", "1"),))
PICTURE = Journey("mask a picture", "mask", ending=".jpg")
RUN = Journey("run", "run", policy="plain")
MASK_REAL = Journey("mask with real children", "mask", children_here=False)
RUN_REAL = Journey("run with real children", "run", children_here=False, policy="plain")


@dataclass(frozen=True)
class Case:
    """One function that raises once in one journey: in its ``at``-th call. ``child``: inside that media child."""

    journey: Journey
    key: Key
    at: int
    kind: str = "runtime"
    child: str | None = None

    def __str__(self) -> str:
        inside = f" in {self.child}" if self.child else ""
        return f"{self.journey.name}{inside}: {self.key[0]}:{self.key[1]} call {self.at} raises {self.kind}"


@dataclass(frozen=True)
class Baseline:
    """What the journey gives when nothing goes wrong: its functions with their calls, and the video's bytes."""

    calls: dict[Key, int]
    video: bytes
    in_children: dict[str, dict[Key, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Folders of one journey, fresh."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def output(self) -> Path:
        return self.root / "out"

    @property
    def visible(self) -> list[Path]:
        """What somebody who looks at the destination sees."""
        found = [path for path in self.output.rglob("*") if path.is_file()]
        return [path for path in found if not path.name.startswith(".tmp-")]

    @property
    def partial(self) -> list[Path]:
        return [path for path in self.output.rglob(".tmp-*") if path.is_file()]

    @property
    def scratch(self) -> list[Path]:
        return list((self.state / "scratch").rglob("*"))
