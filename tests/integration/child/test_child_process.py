"""Does a media child do its work, report its end honestly, and never outlive anybody?"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from opendrape.errors import ChildCrashed, ConfigurationError, MediaRefused, StaleLease
from opendrape.media.child import ChildLimits, run_child, serve

MODULES = Path(__file__).parent / "modules"
LIMITS = ChildLimits(memory_bytes=1 << 30, silence_seconds=60)


@pytest.fixture(autouse=True)
def _toy_module_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(MODULES), prepend=os.pathsep)


def toy(do: str, *, limits: ChildLimits = LIMITS, descriptors=(), on_message=lambda _: None, **order):
    return run_child(
        "opendrape_toy_child",
        {"do": do} | order,
        limits=limits,
        pass_descriptors=descriptors,
        on_message=on_message,
    )


def reason_of_crash(do: str, **order) -> str:
    with pytest.raises(ChildCrashed) as crash:
        toy(do, **order)
    return crash.value.reason


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def own_children() -> set[str]:
    """Every child of this process, zombies too."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def is_gone(pid: int, timeout_seconds: float = 30) -> bool:
    """True when the process ends in time; waits on the kernel's own notice, so nothing sleeps."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_seconds)[0])
    finally:
        os.close(descriptor)


def test_the_result_of_the_work_comes_back():
    assert toy("echo", say="æøå \" '\n")["echo"] == "æøå \" '\n"


def test_an_order_and_a_result_larger_than_a_pipe_come_through():
    large = "x" * (3 << 20)
    assert toy("echo", say=large)["echo"] == large


def test_every_message_comes_in_order():
    heard = []
    toy("progress", steps=300, on_message=heard.append)
    assert [message["progress"] for message in heard] == [step / 300 for step in range(300)]


def test_messages_of_many_threads_stay_whole():
    heard = []
    toy("send_from_threads", threads=20, on_message=heard.append)
    assert heard == [{"from": "x" * 5000}] * 20


def test_an_error_of_ours_comes_back_as_the_same_class_and_reason_without_its_text():
    """P-05: text of the child may name a patient and stays behind."""
    with pytest.raises(MediaRefused) as refused:
        toy("refuse", reason="too_many_pixels")
    assert refused.value.reason == "too_many_pixels"
    assert "Anna" not in str(refused.value)


def test_a_reason_that_is_no_slug_is_not_believed():
    assert reason_of_crash("refuse", reason="Anna Andersen") == "child_protocol"


def test_a_child_cannot_give_its_parents_lease_away():
    assert reason_of_crash("claim_stale_lease") == "child_protocol"


def test_an_unexpected_exception_says_where_in_our_code_and_nothing_else():
    """P-05: the exception's text is not passed on."""
    with pytest.raises(ChildCrashed) as crash:
        toy("fail")
    assert crash.value.reason == "child_error"
    assert "KeyError" in str(crash.value)
    assert "Anna" not in str(crash.value)


def test_a_module_that_is_not_there_is_reported():
    with pytest.raises(ChildCrashed) as crash:
        run_child("opendrape_no_such_child", {}, limits=LIMITS)
    assert crash.value.reason == "child_error"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("SIGSEGV", "child_sigsegv"),
        ("SIGABRT", "child_sigabrt"),
        ("SIGKILL", "child_killed"),
        ("exit", "child_no_result"),
    ],
)
def test_a_death_is_told_by_its_kind_and_standard_error_stays_private(how, reason, capfd, caplog):
    """P-05: FFmpeg's messages carry tags of the media."""
    with pytest.raises(ChildCrashed) as crash:
        toy("die", how=how)
    assert crash.value.reason == reason
    said = capfd.readouterr()
    assert "Anna" not in f"{crash.value}{said.out}{said.err}{caplog.text}"


def test_memory_over_the_limit_ends_the_attempt_and_nothing_else():
    assert reason_of_crash("allocate", bytes=2 << 30) == "child_memory"


def test_a_native_allocation_failure_counts_as_memory():
    assert reason_of_crash("native_allocation_failure") == "child_memory"


def test_a_silent_child_is_killed():
    pids = []
    limits = ChildLimits(memory_bytes=1 << 30, silence_seconds=0.6)
    with pytest.raises(ChildCrashed) as crash:
        toy("hang_holding_the_interpreter", limits=limits, on_message=lambda message: pids.append(message["pid"]))
    assert crash.value.reason == "child_silent"
    assert is_gone(pids[0])


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", "not json", '{"kind":"other","body":{}}', '{"kind":"result","body":1}', "[" * 100_000]
)
def test_lines_that_are_not_ours_end_the_child(line, spoken_channel):
    assert reason_of_crash("speak_nonsense", channel=spoken_channel, line=line) == "child_protocol"


def test_a_line_without_end_is_cut_off(spoken_channel, monkeypatch):
    monkeypatch.setattr("opendrape.media.child_messages.MAX_LINE_BYTES", 1 << 20)
    assert reason_of_crash("say_without_end", channel=spoken_channel) == "child_protocol"


@pytest.fixture
def spoken_channel(monkeypatch: pytest.MonkeyPatch) -> int:
    """The number that the private pipe will have in the child: the lowest two free ones are its ends."""
    ends = os.pipe()
    for end in ends:
        os.close(end)
    return ends[1]


def test_a_child_that_closes_its_channel_and_stays_is_killed(spoken_channel, monkeypatch):
    monkeypatch.setattr("opendrape.media.child._LAST_BREATH_SECONDS", 0.2)
    assert reason_of_crash("close_channel_and_stay", channel=spoken_channel) == "child_silent"


def test_what_a_listener_raises_stops_the_child_and_goes_on_to_the_caller():
    pids = []

    def lose_the_lease(message):
        pids.append(message["pid"])
        raise StaleLease

    before = open_descriptors()
    with pytest.raises(StaleLease):
        toy("hang", on_message=lose_the_lease)
    assert is_gone(pids[0])
    assert open_descriptors() == before


def test_a_shutdown_is_noticed_while_the_child_says_nothing():
    class Stopping(Exception):
        pass

    def stop():
        raise Stopping

    with pytest.raises(Stopping):
        run_child("opendrape_toy_child", {"do": "hang"}, limits=LIMITS, on_idle=stop)


def test_neither_zombies_nor_descriptors_are_left():
    before, children = open_descriptors(), own_children()
    toy("echo", say="")
    reason_of_crash("die", how="SIGKILL")
    assert open_descriptors() == before
    # servers that a test run shares are children of this process as well
    assert own_children() <= children


@pytest.mark.parametrize("do", ["hang", "hang_without_death_signal", "hang_holding_the_interpreter"])
def test_a_child_dies_with_a_parent_that_is_killed(do):
    """By the kernel's signal, and without it by the end of its standard input."""
    program = (
        "from opendrape.media.child import *\n"
        f"run_child('opendrape_toy_child', {{'do': {do!r}}}, limits=ChildLimits(1 << 30, 600),"
        " on_message=lambda message: print(message['pid'], flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert is_gone(pid)


def test_the_environment_carries_no_settings_and_no_secrets(monkeypatch):
    monkeypatch.setenv("OPENDRAPE_KEYS__MAP_KEY_FILE", "/secret")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
    environment = toy("environment")
    assert not any("secret" in value for value in environment.values())
    assert not any(name.startswith("OPENDRAPE_") for name in environment)


def test_a_descriptor_keeps_its_number_in_the_child(tmp_path):
    """How originals reach a child: open, and without a name."""
    (tmp_path / "original").write_text("moving pictures")
    descriptor = os.open(tmp_path / "original", os.O_RDONLY)
    try:
        answer = toy("read_descriptor", descriptor=descriptor, descriptors=(descriptor,))
    finally:
        os.close(descriptor)
    assert answer == {"content": "moving pictures"}


def test_native_libraries_run_with_threads_inside_the_walls():
    for name in ("cv2", "numpy", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    answer = toy("native", limits=ChildLimits(memory_bytes=6 << 30, silence_seconds=60))
    assert json.loads(json.dumps(answer["relu"])) == [0.0, 1.0, 2.0, 0.0]
    assert (answer["blurred"], answer["corner"]) == (1, 300.0)
    assert answer["threads"] > 3


def test_serving_outside_a_child_is_refused():
    with pytest.raises(ConfigurationError) as refused:
        serve(lambda spec, send: {})
    assert refused.value.reason == "not_a_child"
