"""How one file is read out of a multipart form as it streams by: nothing is spooled, names never leave as text."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from opendrape_gateway.refusal import Refusal

FIELD: Final = "file"
_LONGEST_HEADERS: Final = 8192


def boundary_of(content_type: str) -> bytes:
    """The form's boundary. ``Refusal`` 415 when this is no form, 400 when it has none."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise Refusal(415, "upload_form")
    boundary = options.get(b"boundary", b"")
    if not re.fullmatch(rb"[\x20-\x7e]{1,70}", boundary):
        raise Refusal(400, "upload_form")
    return boundary


@dataclass
class FormFile:
    """The one file of a form. ``name`` is known before the first of its bytes is given; other fields are ignored."""

    stream: AsyncIterator[bytes]
    boundary: bytes
    name: str | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _headers: bytearray = field(default_factory=bytearray)
    _header: bytearray = field(default_factory=bytearray)
    _is_file: bool = False
    _files: int = 0
    _ended: bool = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file's bytes; ``name`` is known with the first. ``Refusal`` 400 for a form that is broken, ends early, or
        has no file or several.
        """
        parser = MultipartParser(self.boundary, self._callbacks())  # type: ignore[arg-type]
        try:
            async for chunk in self.stream:
                parser.write(chunk)
                if self._files:
                    for piece in self._taken():
                        yield piece
            parser.finalize()
        except FormParserError:
            raise Refusal(400, "upload_form") from None
        if self._files != 1 or not self._ended:
            raise Refusal(400, "upload_form")
        for piece in self._taken():
            yield piece

    def _taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_comes,
            "on_header_value": self._header_comes,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data_comes,
            "on_end": self._form_ends,
        }

    def _part_begins(self) -> None:
        self._headers.clear()
        self._is_file = False

    def _header_comes(self, data: bytes, start: int, end: int) -> None:
        if len(self._header) + len(self._headers) + end - start > _LONGEST_HEADERS:
            raise FormParserError("headers too long")
        self._header += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower().startswith(b"content-disposition"):
            self._headers = self._header[len(b"content-disposition") :]
        self._header = bytearray()

    def _headers_end(self) -> None:
        _, options = parse_options_header(bytes(self._headers))
        self._is_file = options.get(b"name") == FIELD.encode() and b"filename" in options
        if self._is_file:
            self._files += 1
            if self._files > 1:
                raise FormParserError("several files")
            self.name = options[b"filename"].decode("utf-8", "replace")

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._pieces.append(data[start:end])

    def _form_ends(self) -> None:
        self._ended = True
