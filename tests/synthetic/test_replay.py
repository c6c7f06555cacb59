"""The replay of the self-test: a network is asked once, and its figures are those of the whole engine's own code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from benchmarks.replay import Remembering, replay
from benchmarks.selftest import Entry

from opendrape.domain.policy import Policy
from opendrape_masker.inference.port import Pictures, Tensors


@dataclass
class _Counting:
    asked: list[str] = field(default_factory=list)

    def infer(self, model: str, batch: Pictures) -> Tensors:
        self.asked.append(model)
        return {"mean": np.array([batch.mean()], np.float32)}

    def source_digest(self, model: str) -> str | None:
        return f"digest of {model}"

    def labels(self, model: str) -> tuple[str, ...]:
        return (model,)


def test_an_answer_is_asked_for_once_and_told_apart_by_model_size_and_pixel(tmp_path: Path) -> None:
    """A figure of the replay must be one of the network, whoever asked first."""
    inner = _Counting()
    first, later = Remembering(inner, tmp_path), Remembering(inner, tmp_path)
    picture = np.full((1, 4, 6, 3), 7, np.uint8)
    told = first.infer("a", picture)
    assert later.infer("a", picture) == told == {"mean": np.array([7.0], np.float32)}
    assert inner.asked == ["a"]
    other = picture.copy()
    other[0, 3, 5, 2] = 8
    for model, batch in (("b", picture), ("a", other), ("a", picture.reshape(1, 6, 4, 3))):
        later.infer(model, batch)
    assert inner.asked == ["a", "b", "a", "a"]
    assert set(later.spent) == {"a 6", "b 6", "a 4"}
    assert later.source_digest("a") == "digest of a"
    assert later.labels("a") == ("a",)


@pytest.mark.models
@pytest.mark.timeout(120)
def test_a_policy_that_looks_for_nothing_finds_nothing(tmp_path: Path) -> None:
    """A replay that finds without looking would be a fake; nothing is promised then, and nothing masked."""
    entry = Entry("generated", None, 7, ("--seconds", "1", "--events", "3", "--width", "320", "--height", "192"))
    outcome = replay(entry, Policy(name="blind", summary=""), tmp_path)
    assert outcome.events
    assert not any(event.covered for event in outcome.events)
    assert outcome.masked_elsewhere == 0.0
    assert outcome.spent == {}
