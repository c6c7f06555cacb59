"""How a batch of pictures becomes tensors on a Triton server: the inference port over gRPC (V-17, O-01)."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from opendrape.domain.policy import Role
from opendrape.errors import InferenceFailed, ModelMissing
from opendrape_masker.inference.answers import check_batch, checked
from opendrape_masker.inference.graph_names import IMAGES
from opendrape_masker.inference.port import Pictures, Tensors
from opendrape_masker.inference.repository import ModelFolder, Repository, read_repository
from opendrape_masker.inference.targets import LABELS, SOURCE_SHA256, version_of
from opendrape_masker.inference.triton_replicas import Replicas


class TritonSession:
    """The port on one or several replicas of Triton that serve what ``models sync --target triton-...`` rendered.

    ``repository`` says which models there are, and with which outputs. Every request names the version that was made
    from this very lock, so a server that serves another rendering refuses. At most ``in_flight`` calls run at once; a
    call, waiting and other replicas included, takes at most ``deadline_seconds``.
    """

    def __init__(
        self,
        repository: Repository,
        urls: Sequence[str],
        *,
        in_flight: int,
        deadline_seconds: float,
        ca_file: Path | None = None,
    ) -> None:
        self._folders = {folder.name: folder for folder in read_repository(repository)}
        self._versions = {name: str(version_of(folder)) for name, folder in self._folders.items()}
        self._replicas = Replicas(urls, ca_file=ca_file)
        self._slots = threading.BoundedSemaphore(in_flight)
        self._deadline_seconds = deadline_seconds

    def infer(self, model: str, batch: Pictures) -> Tensors:
        """See ``InferenceSession.infer``. A batch larger than the model takes is sent in parts."""
        check_batch(batch)
        folder = self._folder(model)
        until = self._until()
        largest = folder.lock.max_batch
        parts = [
            self._infer_part(folder, batch[start : start + largest], until) for start in range(0, len(batch), largest)
        ]
        return parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def source_digest(self, model: str) -> str | None:
        """See ``InferenceSession.source_digest``: what the server says of the version that is pinned here.

        ``InferenceFailed`` when no replica answers.
        """
        if model not in self._folders:
            return None
        until = self._until()
        try:
            is_ready = self._replicas.ask(lambda client, seconds: self._is_ready(client, model, seconds), until=until)
            return self._told(model, until).get(SOURCE_SHA256) if is_ready else None
        except ModelMissing:
            return None

    def labels(self, model: str) -> tuple[str, ...]:
        """See ``InferenceSession.labels``."""
        self._folder(model)
        table = self._told(model, self._until()).get(LABELS)
        if not table:
            raise ModelMissing(f"model {model} has no character table")
        return tuple(table.split("\n"))

    def check(self, roles: Collection[Role]) -> None:
        """Really ask every replica: it is ready, and each role has a model that is ready with the pinned digest.

        Raises ``InferenceFailed`` when one does not answer, ``ModelMissing`` when a role has no model there.
        """
        self._replicas.ask_each(lambda client, seconds: self._check_one(client, roles, seconds), until=self._until())

    def close(self) -> None:
        """End the connections; calls in flight fail as unavailable. Idempotent."""
        self._replicas.close()

    def _infer_part(self, folder: ModelFolder, part: Pictures, until: float) -> Tensors:
        if not self._slots.acquire(timeout=max(0.0, until - time.monotonic())):
            raise InferenceFailed(f"model {folder.name} is busy", reason="inference_timeout")
        try:
            result = self._replicas.ask(lambda client, seconds: self._send(client, folder, part, seconds), until=until)
        finally:
            self._slots.release()
        return checked(folder.name, folder.lock.output, len(part), _tensors(result, folder))

    def _send(self, client: InferenceServerClient, folder: ModelFolder, part: Pictures, seconds: float) -> InferResult:
        pictures = InferInput(IMAGES, list(part.shape), "UINT8")
        pictures.set_data_from_numpy(part)
        return client.infer(
            folder.name,
            [pictures],
            model_version=self._versions[folder.name],
            outputs=[InferRequestedOutput(output.name) for output in folder.lock.output],
            timeout=max(1, int(seconds * 1e6)),
            client_timeout=seconds,
        )

    def _check_one(self, client: InferenceServerClient, roles: Collection[Role], seconds: float) -> None:
        if not client.is_server_ready(client_timeout=seconds):
            raise InferenceFailed("the server is not ready", reason="inference_unavailable")
        ready = [folder for folder in self._folders.values() if self._is_pinned(client, folder, seconds)]
        missing = sorted(set(roles) - {role for folder in ready for role in folder.lock.roles})
        if missing:
            raise ModelMissing(f"the server has no model for role {', '.join(missing)}")

    def _is_pinned(self, client: InferenceServerClient, folder: ModelFolder, seconds: float) -> bool:
        if not self._is_ready(client, folder.name, seconds):
            return False
        told = _parameters(client.get_model_config(folder.name, self._versions[folder.name], client_timeout=seconds))
        return told.get(SOURCE_SHA256) == folder.lock.weights.sha256

    def _is_ready(self, client: InferenceServerClient, model: str, seconds: float) -> bool:
        return bool(client.is_model_ready(model, self._versions[model], client_timeout=seconds))

    def _told(self, model: str, until: float) -> dict[str, str]:
        return self._replicas.ask(
            lambda client, seconds: _parameters(
                client.get_model_config(model, self._versions[model], client_timeout=seconds)
            ),
            until=until,
        )

    def _folder(self, model: str) -> ModelFolder:
        folder = self._folders.get(model)
        if folder is None:
            raise ModelMissing(f"model {model} is not in the repository")
        return folder

    def _until(self) -> float:
        return time.monotonic() + self._deadline_seconds


def _tensors(result: InferResult, folder: ModelFolder) -> list[Any]:
    try:
        return [result.as_numpy(output.name) for output in folder.lock.output]
    except ValueError as error:
        message = f"model {folder.name} answered with fewer numbers than its shape says"
        raise InferenceFailed(message, reason="inference_output_shape") from error


def _parameters(answer: Any) -> dict[str, str]:
    return {key: value.string_value for key, value in answer.config.parameters.items()}
