"""Do the walls around a media child hold: files, network, programs (issue 1, end state 3)?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opendrape.media.child import ChildLimits, run_child
from opendrape.media.child_check import prove_walls
from opendrape.media.confine import confine, landlock_abi

MODULES = Path(__file__).parent / "modules"
needs_landlock = pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")


def toy(do: str, *, readable=(), writable=(), **order):
    limits = ChildLimits(memory_bytes=1 << 30, silence_seconds=60, readable=readable, writable=writable)
    return run_child("opendrape_toy_child", {"do": do} | order, limits=limits)


@pytest.fixture(autouse=True)
def _toy_module_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(MODULES), prepend=os.pathsep)


@needs_landlock
def test_a_child_reads_and_writes_only_what_it_was_given(tmp_path):
    """A playlist cannot read its neighbour: the kernel refuses, whatever the demuxer tries."""
    for folder in ("given", "other", "scratch"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("content")
    answer = toy(
        "open_files",
        read=[str(tmp_path / "given/file"), str(tmp_path / "other/file"), "/etc/passwd", "/proc/1/environ"],
        write=[str(tmp_path / "scratch/new"), str(tmp_path / "given/new"), str(tmp_path / "other/file")],
        readable=(tmp_path / "given",),
        writable=(tmp_path / "scratch",),
    )
    assert answer["refused"] == [False, True, True, True]
    assert answer["write_refused"] == [False, True, True]
    assert (tmp_path / "scratch/new").read_bytes() == b"x"
    assert (tmp_path / "other/file").read_text() == "content"


@needs_landlock
def test_one_named_file_is_readable_and_its_folder_is_not(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    answer = toy(
        "open_files", read=[str(tmp_path / "one"), str(tmp_path / "two")], write=[], readable=(tmp_path / "one",)
    )
    assert answer["refused"] == [False, True]


def test_a_child_opens_no_socket_and_starts_no_program():
    answer = toy("reach_out")
    expected = dict.fromkeys(("inet", "inet6", "unix", "program", "exec", "fork"), True)
    assert {name: answer[name] for name in expected} == expected


@pytest.mark.skipif(landlock_abi() < 6, reason="this kernel's Landlock cannot scope signals")
def test_a_child_cannot_signal_its_parent():
    assert toy("reach_out")["parent_signal"]


def test_the_doctor_learns_what_really_holds():
    proof = prove_walls()
    assert proof["network_refused"]
    assert proof["programs_refused"]
    assert proof["read_refused"] == proof["write_refused"] == (landlock_abi() > 0)
    assert proof["landlock_abi"] == landlock_abi()


def test_confinement_after_the_first_thread_is_refused(monkeypatch):
    """Threads that run already would stay outside the walls."""
    monkeypatch.setattr("opendrape.media.confine._threads", lambda: 2)
    with pytest.raises(RuntimeError):
        confine(memory_bytes=1 << 30, readable=(), writable=())
