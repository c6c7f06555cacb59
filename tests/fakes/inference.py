"""An inference session that answers what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opendrape.errors import ModelMissing
from opendrape_masker.inference.session import Pictures, Tensors


class ScriptedInference:
    """Answers with ``answer(batch)``; ``digests`` says which models there are; remembers the batches it saw."""

    def __init__(self, answer: Callable[[Pictures], Tensors], digests: Mapping[str, str] | None = None) -> None:
        self._answer = answer
        self._digests = dict(digests or {})
        self.batches: list[Pictures] = []

    def infer(self, model: str, batch: Pictures) -> Tensors:
        self.batches.append(batch.copy())
        return self._answer(batch)

    def source_digest(self, model: str) -> str | None:
        return self._digests.get(model)

    def labels(self, model: str) -> tuple[str, ...]:
        raise ModelMissing
