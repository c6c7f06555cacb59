"""What does an exit code of ``opendrape`` mean?"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Documented in the README; a test keeps the two alike."""

    DELIVERED = 0
    """everything asked for is done: every video delivered and its receipt verified"""
    FAILED = 1
    """at least one input failed, was quarantined, refused or is not supported; or a verification failed"""
    USAGE = 2
    """the command line cannot be understood"""
    CONFIGURATION = 3
    """settings, keys, policy or models cannot be used; nothing was started"""
    DEFERRED = 4
    """nothing failed, but at least one file was still growing and waits for the next run"""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; nothing is half-written, the next run goes on"""
