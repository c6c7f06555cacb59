"""What the text inside given boxes says; used to prove that planted text cannot be read any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from opendrape.domain.policy import Role
from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.detectors.detection import ModelFacts, Picture
from opendrape_masker.inference.port import InferenceSession, Pictures
from opendrape_masker.inference.repository import Repository, served_folders

Box = tuple[float, float, float, float]
_HEIGHT = 48
_MULTIPLE = 32
_WIDEST = 2048
_GREY = 127


_READ = 0.65  # of three characters and more, their mean probability: 0.75 and more on faint, blurred, slanted lines
_CLEARLY_READ = 0.9  # of two; folds and reflexes give one character, or two with less


@dataclass(frozen=True, slots=True)
class ReadLine:
    """What a line says; the probability of its characters on average and of the least certain one, 0..1."""

    text: str
    confidence: float = 0.0
    weakest: float = 0.0

    @property
    def characters(self) -> int:
        """Letters and digits."""
        return sum(character.isalnum() for character in self.text)

    @property
    def says_something(self) -> bool:
        """True for three characters and more, or two clear ones; strokes and single ones are folds and reflexes."""
        return self.characters > 1 and self.confidence >= (_READ if self.characters > 2 else _CLEARLY_READ)


@dataclass(frozen=True)
class TextReader:
    """Reads upright lines with a recognition model (connectionist temporal classification)."""

    model: ModelFacts
    session: InferenceSession
    alphabet: tuple[str, ...]
    max_batch: int

    def read_text(self, picture: Picture, boxes: Sequence[Box]) -> list[str]:
        """One string per box (x0, y0, x1, y1 in pixels), empty where nothing can be read or the box is empty.

        Raises ``InferenceFailed`` and ``ModelMissing``.
        """
        return [line.text for line in self.read_lines(picture, boxes)]

    def read_lines(self, picture: Picture, boxes: Sequence[Box]) -> list[ReadLine]:
        """The same with how sure every line is."""
        read = [ReadLine("")] * len(boxes)
        lines = [(position, line) for position, box in enumerate(boxes) if (line := _line(picture, box)) is not None]
        lines.sort(key=lambda item: item[1].shape[1])
        for start in range(0, len(lines), self.max_batch):
            batch = lines[start : start + self.max_batch]
            scores = self.session.infer(self.model.name, _stacked([line for _, line in batch]))["characters"]
            decoded = zip(decode_text_lines(scores, self.alphabet), certainties(scores), strict=True)
            for (position, _), (text, (mean, weakest)) in zip(batch, decoded, strict=True):
                read[position] = ReadLine(text, mean, weakest)
        return read


def build_reader(*, session: InferenceSession, repository: Repository) -> TextReader:
    """The preferred reader. ``ModelMissing`` when none can be served."""
    folders = served_folders(repository, Role.TEXT_RECOGNITION, session.source_digest)
    if not folders:
        raise ModelMissing(f"no model for role {Role.TEXT_RECOGNITION}")
    lock = folders[0].lock
    return TextReader(
        model=ModelFacts(name=folders[0].name, role=lock.role, sha256=lock.weights.sha256),
        session=session,
        # class 0 is "nothing here", the last one a space; the table in between comes with the weights
        alphabet=("", *session.labels(folders[0].name), " "),
        max_batch=lock.max_batch,
    )


def decode_text_lines(scores: npt.NDArray[np.float32], alphabet: Sequence[str]) -> list[str]:
    """Best path of [N, steps, classes]: repeats collapse, class 0 separates. ``InferenceFailed`` on other classes."""
    if scores.shape[2] != len(alphabet):
        raise InferenceFailed("the reader's table has another size", reason="inference_output_shape")
    best = scores.argmax(axis=2)
    new = np.ones_like(best, dtype=bool)
    new[:, 1:] = best[:, 1:] != best[:, :-1]
    return ["".join(alphabet[index] for index in row[fresh]) for row, fresh in zip(best, new, strict=True)]


def certainties(scores: npt.NDArray[np.float32]) -> list[tuple[float, float]]:
    """Per line of [N, steps, classes], probabilities: mean and lowest of the best class where a character is read.

    A character that spans several steps counts with its surest one, as in the best path. Nothing read: zeros.
    """
    best, highest = scores.argmax(axis=2), scores.max(axis=2)
    return [_certainty(*row) for row in zip(best, highest, strict=True)]


def _certainty(best: npt.NDArray[np.int64], highest: npt.NDArray[np.float32]) -> tuple[float, float]:
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    surest = np.maximum.reduceat(highest, starts)[best[starts] > 0]
    return (float(surest.mean()), float(surest.min())) if len(surest) else (0.0, 0.0)


def _line(picture: Picture, box: Box) -> Picture | None:
    height, width = picture.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 <= x0 or y1 <= y0:
        return None
    wide = min(_WIDEST, max(1, round((x1 - x0) * _HEIGHT / (y1 - y0))))
    return np.asarray(cv2.resize(picture[y0:y1, x0:x1], (wide, _HEIGHT)), dtype=np.uint8)


def _stacked(lines: Sequence[Picture]) -> Pictures:
    width = -(-max(line.shape[1] for line in lines) // _MULTIPLE) * _MULTIPLE
    batch = np.full((len(lines), _HEIGHT, width, 3), _GREY, np.uint8)
    for target, line in zip(batch, lines, strict=True):
        target[:, : line.shape[1]] = line
    return batch
