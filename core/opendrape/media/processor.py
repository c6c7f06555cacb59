"""Which instruction sets x264 may use so that the same pictures always become the same bytes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

_CPU_FACTS: Final = Path("/proc/cpuinfo")
_UP_TO_AVX2: Final = "asm=MMX2,SSE2Fast,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2"


@lru_cache(maxsize=1)
def deterministic_parameters() -> tuple[str, ...]:
    """x264 parameters that keep the encoder repeatable on this processor.

    The AVX-512 code of x264's macroblock tree reads memory that nobody wrote: with glibc's ``MALLOC_PERTURB_`` set to
    different values the same pictures gave different files; without AVX-512, or without the tree, they did not. x264
    does not check a list of instruction sets against the processor, so AVX2 is only asked for where AVX-512 implies it;
    where the processor cannot be asked, the tree is given up.
    """
    try:
        flags = _CPU_FACTS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ("mbtree=0",)
    return (_UP_TO_AVX2,) if " avx512" in flags else ()
