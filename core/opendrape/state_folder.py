"""Who may work in a state folder, and how a folder of leftovers is emptied: one process at a time owns both."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opendrape.errors import ConfigurationError

_LOCK_NAME = "embedded.lock"


@contextmanager
def sole_owner(state_dir: Path) -> Iterator[None]:
    """Hold the folder's lock: two processes would empty each other's scratch. A dead owner's lock is free at once."""
    with _locked(os.open(state_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)):
        yield


@contextmanager
def sole_owner_of_existing(state_dir: Path) -> Iterator[None]:
    """The same without making the lock file (dry runs): where there is none, nobody is at work."""
    try:
        descriptor = os.open(state_dir / _LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    with _locked(descriptor):
        yield


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                "another opendrape process is using this state folder; wait for it or choose another --state-dir",
                reason="state_in_use",
            ) from error
        yield
    finally:
        os.close(descriptor)


def empty_folder(folder: Path) -> None:
    """Make the folder if needed and remove everything in it: what a killed process left is never used."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
