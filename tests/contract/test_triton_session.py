"""Does a real Triton server keep the contract of an inference session?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opendrape_masker.inference.port import InferenceSession
from opendrape_masker.inference.targets import Target
from opendrape_masker.inference.triton_session import TritonSession
from opendrape_masker.models_sync import sync
from tests.contract.inference_session_contract import InferenceSessionContract, folders_of_tiny_models
from tests.servers.triton import Triton, triton


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Triton]]:
    """A repository, its mirror and a server over what was rendered of it."""
    place = tmp_path_factory.mktemp("triton")
    repository, mirror = folders_of_tiny_models(place)
    sync(repository, place / "models", mirror=mirror, target=Target.TRITON_PYTHON)
    with triton(place / "models" / "triton-python", place / "server") as server:
        yield repository, mirror, server


class TestTritonSession(InferenceSessionContract):
    @pytest.fixture
    def folders(self, served: tuple[Path, Path, Triton]) -> Iterator[tuple[Path, Path]]:
        """The served ones; sessions are closed afterwards."""
        self._url, self._opened = served[2].url, list[TritonSession]()
        yield served[0], served[1]
        for session in self._opened:
            session.close()

    def serve(self, repository: Path, mirror: Path, *, deadline_seconds: float = 60) -> InferenceSession:
        session = TritonSession(repository, [self._url], in_flight=2, deadline_seconds=deadline_seconds)
        self._opened.append(session)
        return session
