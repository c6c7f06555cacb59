"""How an exact number of seconds is written in a rule."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import PlainSerializer

Seconds = Annotated[Fraction, PlainSerializer(str, return_type=str)]
"""An exact number of seconds; written as "1/5" or "0.2"."""
