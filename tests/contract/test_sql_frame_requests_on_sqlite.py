"""Requests for frames and segments on SQLite, on a file and in memory, keep their contracts."""

from __future__ import annotations

from tests.contract.frame_requests_contract import FrameRequestsContract, SegmentsContract
from tests.contract.test_sql_catalogue_on_sqlite import _in_memory, _on_file


class TestFramesOnFile(FrameRequestsContract):
    make = staticmethod(_on_file)


class TestFramesInMemory(FrameRequestsContract):
    make = staticmethod(_in_memory)


class TestSegmentsOnFile(SegmentsContract):
    make = staticmethod(_on_file)


class TestSegmentsInMemory(SegmentsContract):
    make = staticmethod(_in_memory)
