"""How is the ledger's speed told: medians and spreads, with what they were measured on."""

from __future__ import annotations


def page(results: object, *, processes: int, threads: int) -> str:
    """later"""
    return ""
