"""What does the engine ask of whatever runs the models? The inference port."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]
Tensors = dict[str, npt.NDArray[np.float32]]


class InferenceSession(Protocol):
    """Runs models by name. Safe to call from several threads; a bounded number of calls is in flight.

    A model that is not there, or is not the one that was pinned, raises ``ModelMissing``. A time-out, a missing
    output, one of the wrong shape or with a value that is not finite raises ``InferenceFailed``: never an empty or
    partial answer. Calls do not change state and may be repeated.
    """

    def infer(self, model: str, batch: Pictures) -> Tensors:
        """Every output of the model for uint8 BGR pictures [N, H, W, 3]; float32 tensors, first axis N."""

    def source_digest(self, model: str) -> str | None:
        """SHA-256 of the weights behind a model that can be served now; None when it cannot."""

    def labels(self, model: str) -> tuple[str, ...]:
        """The character table of a recognition model. ``ModelMissing`` when it has none."""
