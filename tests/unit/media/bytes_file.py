"""How bytes in memory stand in for a file that is read at offsets."""

from __future__ import annotations


class BytesFile:
    """Bytes with a size, readable anywhere."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def at(self, offset: int, count: int) -> bytes:
        """``count`` bytes at ``offset``."""
        return self.content[offset : offset + count]


def box(kind: bytes, body: bytes = b"") -> bytes:
    """One box of an MP4."""
    return (8 + len(body)).to_bytes(4) + kind + body
