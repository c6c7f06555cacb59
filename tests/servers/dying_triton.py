"""How does a Triton behave that the first picture kills? A gRPC server that is ready, and gone once it is to look."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc

from opendrape_masker.inference.repository import Repository, read_repository
from opendrape_masker.inference.targets import LABELS, SOURCE_SHA256
from tests.servers.process import free_port


class DyingTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Claims every model of ``repository``. ``deaths`` counts the pictures that ended it; started again by hand."""

    def __init__(self, repository: Repository) -> None:
        self._digests = {folder.name: folder.lock.weights.sha256 for folder in read_repository(repository)}
        self._server: Any = None
        self._guard = threading.Lock()
        self.port = free_port()
        self.deaths = 0

    @property
    def url(self) -> str:
        """Where it is, or was."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen again on the same port."""
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        assert self._server.add_insecure_port(self.url) == self.port
        self._server.start()

    def stop(self) -> None:
        """Gone at once: calls in flight break, nobody listens. Idempotent."""
        if (server := self._taken_down()) is not None:
            server.stop(None).wait(10)

    def _taken_down(self) -> Any:
        with self._guard:
            server, self._server = self._server, None
        return server

    def ModelReady(self, _request: Any, _context: Any) -> Any:
        """Always."""
        return service_pb2.ModelReadyResponse(ready=True)

    def ModelConfig(self, request: Any, _context: Any) -> Any:
        """As a rendering of the pinned weights says."""
        answer = service_pb2.ModelConfigResponse()
        answer.config.parameters[SOURCE_SHA256].string_value = self._digests[request.name]
        answer.config.parameters[LABELS].string_value = "a\nb"
        return answer

    def ModelInfer(self, _request: Any, context: Any) -> Any:
        """The end of it: the call breaks, as do others that came beside it."""
        dead = threading.Event()
        context.add_callback(dead.set)
        if (server := self._taken_down()) is not None:
            self.deaths += 1
            threading.Thread(target=server.stop, args=(None,), daemon=True).start()
        dead.wait(10)
        return service_pb2.ModelInferResponse()
