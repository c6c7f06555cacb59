"""How near a read text comes to a planted one."""

from __future__ import annotations

import unicodedata


def distance_inside(planted: str, read: str) -> int:
    """Fewest edits that turn ``planted`` into some part of ``read`` (Sellers 1980); letters and digits only.

    Case, accents, spaces and punctuation do not count: "Marta" is as good as "MÄRTA" to whoever recognises her.
    """
    wanted, found = _bare(planted), _bare(read)
    row = [0] * (len(found) + 1)
    for number, letter in enumerate(wanted, 1):
        above, row = row, [number]
        for column, other in enumerate(found, 1):
            row.append(min(above[column - 1] + (letter != other), above[column] + 1, row[-1] + 1))
    return min(row)


def _bare(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.upper())
    return "".join(letter for letter in letters if letter.isalnum())
