"""How near a read text comes to a planted one."""

from __future__ import annotations


def distance_inside(planted: str, read: str) -> int:
    """Fewest edits that turn ``planted`` into some part of ``read`` (Sellers 1980); case and spaces do not count."""
    wanted, found = ("".join(text.upper().split()) for text in (planted, read))
    row = [0] * (len(found) + 1)
    for number, letter in enumerate(wanted, 1):
        above, row = row, [number]
        for column, other in enumerate(found, 1):
            row.append(min(above[column - 1] + (letter != other), above[column] + 1, row[-1] + 1))
    return min(row)
