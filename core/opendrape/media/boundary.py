"""How anything that goes wrong inside FFmpeg becomes a refusal with a bounded reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opendrape.errors import MediaRefused, OpenDrapeError


@contextmanager
def refusing(reason: str) -> Iterator[None]:
    """Turn every foreign exception into :class:`MediaRefused` with ``reason``.

    Broken files have been seen to raise FFmpeg errors, ``UnicodeDecodeError``, ``IndexError`` and ``ValueError``; a
    list of classes would never be complete. The original message may quote metadata, so it is not carried on.
    """
    try:
        yield
    except OpenDrapeError:
        raise
    except MemoryError:
        raise MediaRefused(reason="needs_too_much_memory") from None
    except Exception:  # noqa: BLE001 - the decode boundary
        raise MediaRefused(reason=reason) from None
