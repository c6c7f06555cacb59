"""A child behind its walls that asks its parent's models, and tries to reach the network while it has the line."""

from __future__ import annotations

import socket

import numpy as np

from opendrape.media.child import serve
from opendrape_masker.inference.relayed_session import RelayedSession, RemoteModels


def ask(spec, send):
    session = RelayedSession(RemoteModels.model_validate(spec["remote"]))
    batch = np.full((2, 8, 8, 3), 9, np.uint8)
    answer = session.infer("plain", batch)
    refused = []
    for attempt in (
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        socket.socketpair,
        lambda: socket.socket(fileno=spec["remote"]["requests"]),
    ):
        try:
            attempt()
            refused.append(False)
        except OSError:
            refused.append(True)
    return {"sum": float(answer["planes"].sum()), "refused": refused, "again": sorted(session.infer("plain", batch))}


if __name__ == "__main__":
    serve(ask)
