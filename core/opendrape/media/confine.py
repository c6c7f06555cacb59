"""What may a media child still do? Kernel walls (rlimits, Landlock, seccomp) that a process puts around itself.

Landlock hides every file that was not named, seccomp refuses sockets, new programs and new processes, rlimits bound
memory and descriptors. Each wall is asked for, then reported as it is: a kernel without it gives a report that says so.
Sources: Linux ``Documentation/userspace-api/landlock.rst`` and ``seccomp_filter.rst``, ``uapi/linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_OPEN_FILES = 512
_FILE_BYTES = 1 << 40

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_OFFSET, _ARCH_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE, _MAKE, _REFER, _TRUNCATE, _IOCTL_DEVICE = 3 << 4, 127 << 6, 1 << 13, 1 << 14, 1 << 15
_MAKE_DIR_AND_FILE = (1 << 7) | (1 << 8)
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE | _MAKE_DIR_AND_FILE | _REFER | _TRUNCATE

_SYSTEM_READABLE = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/zero",
)


@dataclass(frozen=True, slots=True)
class _Machine:
    """Numbers of one processor family: audit architecture, refused system calls, the two ways to make a thread."""

    audit_arch: int
    refused: tuple[int, ...]
    clone: int
    clone3: int = 435


# Refused: socket, socketpair, (fork, vfork,) execve, execveat, ptrace, process_vm_readv, process_vm_writev, bpf,
# perf_event_open, userfaultfd, unshare, setns, mount, add_key, request_key, keyctl, io_uring_setup, pidfd_getfd
_MACHINES = {
    "x86_64": _Machine(
        audit_arch=0xC000003E,
        refused=(41, 53, 57, 58, 59, 322, 101, 310, 311, 321, 298, 323, 272, 308, 165, 248, 249, 250, 425, 438),
        clone=56,
    ),
    "aarch64": _Machine(
        audit_arch=0xC00000B7,
        refused=(198, 199, 221, 281, 117, 270, 271, 280, 241, 282, 97, 268, 40, 217, 218, 219, 425, 438),
        clone=220,
    ),
}


@dataclass(frozen=True, slots=True)
class Walls:
    """Which walls stand. ``landlock`` is the kernel's ABI version, 0 when files are not hidden."""

    landlock: int
    seccomp: bool
    memory_limited: bool

    @property
    def files_hidden(self) -> bool:
        """True when files outside the allowed folders cannot be opened."""
        return self.landlock > 0

    def as_dict(self) -> dict[str, bool | int]:
        """For messages and the doctor."""
        return {
            "landlock_abi": self.landlock,
            "files_hidden": self.files_hidden,
            "network_refused": self.seccomp,
            "programs_refused": self.seccomp,
            "memory_limited": self.memory_limited,
        }


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends; leave at once if that has happened.

    A no-op where the kernel cannot; the caller then depends on its own watch over the parent.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def confine(*, memory_bytes: int, readable: Iterable[Path], writable: Iterable[Path]) -> Walls:
    """Put the walls around this process, for good. Call it first, while there is one thread: threads started earlier
    would stay outside (``RuntimeError``).

    ``readable`` and ``writable`` are files or folders that exist; Python's own folders and the system's libraries are
    readable as well. Descriptors that are already open stay usable.
    """
    if _threads() > 1:
        raise RuntimeError("confinement comes before the first thread")
    write = tuple(writable)
    _limit_resources(memory_bytes, writes=bool(write))
    if sys.platform != "linux":
        return Walls(landlock=0, seccomp=False, memory_limited=True)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    abi = _hide_files((*_runtime_readable(), *readable), write)
    return Walls(landlock=abi, seccomp=_refuse_calls(), memory_limited=True)


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else 1


def _limit_resources(memory_bytes: int, *, writes: bool) -> None:
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_FSIZE: _FILE_BYTES if writes else 0,
    }
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _runtime_readable() -> Iterator[Path]:
    """What Python, its packages and native libraries must still be able to read."""
    for folder in (sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, *_SYSTEM_READABLE):
        if folder and folder != os.sep:
            yield Path(folder)


def landlock_abi() -> int:
    """The Landlock version that this kernel offers; 0 when none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_LANDLOCK_CREATE, None, 0, 1)))


def _hide_files(readable: Iterable[Path], writable: Iterable[Path]) -> int:
    abi = landlock_abi()
    if not abi:
        return 0
    handled = _handled_rights(abi)
    # handled file rights, handled network rights (TCP bind and connect), scope (abstract sockets, signals)
    attributes = struct.pack("=QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = int(_libc().syscall(_LANDLOCK_CREATE, attributes, size, 0))
    if ruleset < 0:
        return 0
    try:
        for path in readable:
            _allow(ruleset, path, _READ & handled)
        for path in (*writable, Path(os.devnull)):
            _allow(ruleset, path, _WRITE & handled)
        restricted = _libc().syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)
    return abi if restricted else 0


def _handled_rights(abi: int) -> int:
    rights = _EXECUTE | _WRITE_FILE | _READ | _REMOVE | _MAKE
    rights |= _REFER if abi >= 2 else 0
    rights |= _TRUNCATE if abi >= 3 else 0
    return rights | (_IOCTL_DEVICE if abi >= 5 else 0)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """Add one rule; a path that is not there needs none. A refused rule only leaves more hidden."""
    try:
        descriptor = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
    except OSError:
        return
    try:
        granted = rights if path.is_dir() else rights & _FILE_RIGHTS
        _libc().syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", granted, descriptor), 0)
    finally:
        os.close(descriptor)


def _refuse_calls() -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = b"".join(_filter(machine))
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer)))
    return _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header)) == 0


def _filter(machine: _Machine) -> Iterator[bytes]:
    """The classic BPF program, one ``sock_filter`` at a time; jumps count instructions to skip."""
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    yield _step(_LOAD, _ARCH_OFFSET)
    yield _step(_EQUAL, machine.audit_arch, hit=1)
    yield _step(_RETURN, _KILL)
    yield _step(_LOAD, _NUMBER_OFFSET)
    yield _step(_AT_LEAST, _X32_BIT, miss=1)
    yield refuse
    for number in machine.refused:
        yield _step(_EQUAL, number, miss=1)
        yield refuse
    # clone3 hides its flags in memory; "not there" makes the C library fall back to clone, which can be judged
    yield _step(_EQUAL, machine.clone3, miss=1)
    yield _step(_RETURN, _ERRNO | errno.ENOSYS)
    yield _step(_EQUAL, machine.clone, miss=3)
    yield _step(_LOAD, _FIRST_ARGUMENT_OFFSET)
    yield _step(_ANY_BIT, _CLONE_THREAD, hit=1)
    yield refuse
    yield _step(_RETURN, _ALLOW)


def _step(code: int, operand: int, *, hit: int = 0, miss: int = 0) -> bytes:
    return struct.pack("=HBBI", code, hit, miss, operand)


def _prctl(option: int, second: int, third: int = 0) -> int:
    arguments = (ctypes.c_ulong(value) for value in (second, third, 0, 0))
    return int(_libc().prctl(option, *arguments))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
