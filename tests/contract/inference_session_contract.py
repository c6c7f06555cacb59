"""What every inference session must do, whoever runs the models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.inference.port import InferenceSession
from tests.fakes.tiny_models import add_model, graph_without_numbers, plain_graph, slow_graph


def folders_of_tiny_models(place: Path) -> tuple[Path, Path]:
    """A repository and a mirror with a good, a numberless and a slow model."""
    repository, mirror = place / "repository", place / "mirror"
    mirror.mkdir()
    graphs = {"plain": plain_graph(), "numberless": graph_without_numbers(), "slow": slow_graph()}
    for preference, (name, graph) in enumerate(graphs.items()):
        add_model(repository, name, graph, preference=preference)
        (mirror / f"{name}.onnx").write_bytes(graph)
    return repository, mirror


class InferenceSessionContract:
    """Subclasses serve the models of a repository; ``mirror`` holds their weights."""

    def serve(self, repository: Path, mirror: Path, *, deadline_seconds: float = 60) -> InferenceSession:
        raise NotImplementedError

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        """A repository and a mirror with a good, a numberless and a slow model."""
        return folders_of_tiny_models(tmp_path)

    def test_pictures_are_bytes_of_any_size_and_the_graph_prepares_them(self, folders: tuple[Path, Path]) -> None:
        """V-17: uint8 BGR in; mean, scale and layout are the graph's own business; batches do not mix."""
        session = self.serve(*folders)
        for pictures, height, width in ((1, 32, 64), (3, 96, 32)):
            batch = np.random.default_rng(1).integers(0, 256, (pictures, height, width, 3), dtype=np.uint8)
            answer = session.infer("plain", batch)["heatmap"]
            wanted = (batch.astype(np.float32) - [1, 2, 3]).transpose(0, 3, 1, 2) * 2
            np.testing.assert_allclose(answer, wanted)

    def test_a_model_that_is_not_there_is_an_error(self, folders: tuple[Path, Path]) -> None:
        """V-17: never an empty answer."""
        session = self.serve(*folders)
        assert session.source_digest("unknown") is None
        with pytest.raises(ModelMissing):
            session.infer("unknown", np.zeros((1, 32, 32, 3), np.uint8))

    def test_an_answer_without_numbers_is_an_error(self, folders: tuple[Path, Path]) -> None:
        """V-02, V-17: a frame that cannot be examined fails."""
        with pytest.raises(InferenceFailed) as caught:
            self.serve(*folders).infer("numberless", np.zeros((1, 32, 32, 3), np.uint8))
        assert caught.value.reason == "inference_output_not_finite"

    def test_a_call_past_its_deadline_is_an_error(self, folders: tuple[Path, Path]) -> None:
        """V-02, V-17: a time-out is told as such."""
        session = self.serve(*folders, deadline_seconds=0.05)
        with pytest.raises(InferenceFailed) as caught:
            session.infer("slow", np.zeros((2, 640, 640, 3), np.uint8))
        assert caught.value.reason == "inference_timeout"

    @pytest.mark.parametrize("shape", [(0, 32, 32, 3), (1, 32, 32, 4), (32, 32, 3), (1, 0, 32, 3)])
    def test_a_batch_of_another_shape_is_a_programming_error(
        self, folders: tuple[Path, Path], shape: tuple[int, ...]
    ) -> None:
        """V-17: nothing is guessed about pictures."""
        with pytest.raises(ValueError, match="uint8"):
            self.serve(*folders).infer("plain", np.zeros(shape, np.uint8))

    def test_labels_come_with_the_model(self, folders: tuple[Path, Path]) -> None:
        """V-17: the table of characters is part of what is materialised."""
        session = self.serve(*folders)
        assert session.labels("plain") == ("a", "b")
        with pytest.raises(ModelMissing):
            session.labels("slow")
