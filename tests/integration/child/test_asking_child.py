"""V-17: does a walled-in child get answers through its pipes while every way to the network stays shut?"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from opendrape.media.child import ChildLimits, run_child
from opendrape_masker.inference.port import Pictures, Tensors
from opendrape_masker.inference.relay import relayed
from opendrape_masker.inference.relayed_session import RemoteModels
from tests.fakes.inference import ScriptedInference

MODULES = Path(__file__).parent / "modules"


def planes(batch: Pictures) -> Tensors:
    return {"planes": batch.transpose(0, 3, 1, 2).astype(np.float32)}


def test_a_walled_in_child_asks_and_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """V-17, O-02: the line is there, sockets are not; what it holds cannot be turned into one."""
    monkeypatch.setenv("PYTHONPATH", str(MODULES), prepend=os.pathsep)
    inner = ScriptedInference(planes)
    with relayed(inner, in_flight=1, hang_up=lambda: None) as ends:
        remote = RemoteModels(
            requests=ends[0], answers=ends[1], deadline_seconds=20.0, digests={"plain": "digest"}, labels={}
        )
        answer = run_child(
            "opendrape_asking_child",
            {"remote": remote.model_dump()},
            pass_descriptors=ends,
            limits=ChildLimits(memory_bytes=2 << 30, silence_seconds=60.0),
        )
    assert answer == {"sum": 9.0 * 2 * 8 * 8 * 3, "refused": [True] * 4, "again": ["planes"]}
    assert [batch.shape for batch in inner.batches] == [(2, 8, 8, 3)] * 2
