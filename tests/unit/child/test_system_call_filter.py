"""Does the seccomp program say yes and no where it should, on both processor families? Run by a small BPF machine."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from opendrape.media import confine

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE, ABSENT = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
CLONE_THREAD, CLONE_VM = 0x10000, 0x100
NUMBERS = {
    "x86_64": {
        "arch": 0xC000003E,
        "read": 0,
        "socket": 41,
        "execve": 59,
        "fork": 57,
        "clone": 56,
        "io_uring_setup": 425,
    },
    "aarch64": {"arch": 0xC00000B7, "read": 63, "socket": 198, "execve": 221, "clone": 220, "io_uring_setup": 425},
}

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
REFUSED = [
    *("socket", "socketpair", "fork", "vfork", "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("bpf", "perf_event_open", "userfaultfd", "unshare", "setns", "mount", "add_key", "request_key", "keyctl"),
    *("io_uring_setup", "pidfd_getfd"),
]


def verdict(machine: str, number: int, *, argument: int = 0, arch: int | None = None) -> int:
    """Interpret the classic BPF program on one ``struct seccomp_data``."""
    program = [struct.unpack("=HBBI", step) for step in confine._filter(confine._MACHINES[machine])]
    call = struct.pack("=iIQQ", number, NUMBERS[machine]["arch"] if arch is None else arch, 0, argument)
    accumulator, position = 0, 0
    while True:
        code, hit, miss, operand = program[position]
        position += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", call, operand)
            continue
        holds = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}[code]
        position += hit if holds else miss


@pytest.mark.parametrize("machine", sorted(NUMBERS))
class TestFilter:
    def test_ordinary_calls_go_through(self, machine):
        assert verdict(machine, NUMBERS[machine]["read"]) == ALLOW

    @pytest.mark.parametrize("call", ["socket", "execve", "io_uring_setup", "fork"])
    def test_sockets_and_programs_are_refused(self, machine, call):
        if call in NUMBERS[machine]:
            assert verdict(machine, NUMBERS[machine][call]) == REFUSE

    def test_a_thread_may_be_made_and_a_process_may_not(self, machine):
        clone = NUMBERS[machine]["clone"]
        assert verdict(machine, clone, argument=CLONE_THREAD | CLONE_VM) == ALLOW
        assert verdict(machine, clone, argument=CLONE_VM) == REFUSE

    def test_clone3_seems_absent_so_that_the_c_library_falls_back(self, machine):
        assert verdict(machine, 435) == ABSENT

    def test_numbers_of_another_architecture_kill(self, machine):
        assert verdict(machine, 0, arch=0x40000003) == KILL

    def test_the_second_numbering_of_x86_is_refused(self, machine):
        assert verdict(machine, 0x40000000 + 41) == REFUSE


@pytest.mark.parametrize(("machine", "header"), sorted(HEADERS.items()))
def test_the_refused_numbers_are_those_of_the_kernels_headers(machine, header):
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    known = dict(re.findall(r"#define __NR_(\w+)\s+(\d+)", header.read_text()))
    expected = {int(known[name]) for name in REFUSED if name in known}
    assert set(confine._MACHINES[machine].refused) == expected
    assert confine._MACHINES[machine].clone == int(known["clone"])
