"""O-03, I-06: what becomes of a stored timeline when its video is planned again."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from opendrape.domain.policy import Policy
from opendrape.domain.timeline import Timeline
from opendrape.domain.work import Lease, WorkKind
from opendrape.errors import BlobConflict
from opendrape.media.probing import Probed
from opendrape.ports.sources import OpenSource
from opendrape.settings import Settings
from opendrape_ingest.plan import PlanHandler
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.catalogue import FRAMES_PER_CHUNK, media

NAME = "timelines/ar-1.bin"
POLICY = Policy(name="faces", summary="for tests")
LEASE = Lease(1, "ar-1", WorkKind.PLAN, -1, POLICY.reference, 1, 1, "test")


def timeline(step: int = 1) -> Timeline:
    ticks = array("q", range(0, FRAMES_PER_CHUNK * step, step))
    return Timeline(time_base=Fraction(1, 25), ticks=ticks, key_frames=(0,), end_tick=FRAMES_PER_CHUNK * step)


class AnySource:
    @contextmanager
    def open(self, _asset_id: str) -> Iterator[OpenSource]:
        yield OpenSource(0, 1)


def planned(blobs: MemoryBlobs, tmp_path: Any, found: Timeline) -> Any:
    """The outcome of planning a video of which the probe says this."""
    policies: Any = SimpleNamespace(by_reference=lambda _ref: POLICY)
    source: Any = AnySource()
    probe: Callable[..., Probed] = lambda *_: Probed(media=media(1), timeline=found)  # noqa: E731
    handler = PlanHandler(Settings(state_dir=tmp_path), source, blobs, policies, probe=probe)
    return handler.handle(LEASE, lambda _share: None)


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_whichever_bit_of_it_flipped_it_is_written_anew(tmp_path: Any) -> None:
    """The next plan puts back what was stored, so that finished chunks stay good."""
    sound = timeline().to_bytes()
    for place in range(len(sound)):
        blobs = MemoryBlobs()
        blobs.put_bytes(NAME, _flipped(sound, place))
        artefact = planned(blobs, tmp_path, timeline()).timeline
        with blobs.open(NAME) as blob:
            assert blob.read() == sound
        assert artefact.sha256 == hashlib.sha256(sound).hexdigest()


@pytest.mark.parametrize("content", [b"", timeline().to_bytes()[:-3], b"something else"])
def test_what_is_no_timeline_is_replaced(tmp_path: Any, content: bytes) -> None:
    blobs = MemoryBlobs()
    blobs.put_bytes(NAME, content)
    assert planned(blobs, tmp_path, timeline()).timeline.sha256 == blobs.digest(NAME).sha256


def test_a_sound_timeline_that_says_something_else_is_left_alone(tmp_path: Any) -> None:
    """V-07: two sound answers to one question are for a person."""
    blobs = MemoryBlobs()
    blobs.put_bytes(NAME, timeline(2).to_bytes())
    with pytest.raises(BlobConflict):
        planned(blobs, tmp_path, timeline())
    with blobs.open(NAME) as blob:
        assert blob.read() == timeline(2).to_bytes()
