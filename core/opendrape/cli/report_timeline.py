"""How is what was masked when drawn as a picture that can also be read?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

_LEFT, _WIDTH, _ROW, _BAR = 130, 1000, 30, 18
_TICKS: Final = 6
_KNOWN: Final = frozenset({"face", "text", "marked"})

Interval = Mapping[str, Any]


def timeline_figure(found: Sequence[Interval], duration: float) -> str:
    """An SVG with one row per role, described in words for those who cannot see it; ``duration`` in seconds."""
    roles = sorted({str(one["role"]) for one in found})
    height = len(roles) * _ROW + 34
    rows = "\n".join(_row(role, [one for one in found if one["role"] == role], number, duration)
                     for number, role in enumerate(roles))  # fmt: skip
    axis, words = "\n".join(_axis(duration, height)), escape(described(found, duration))
    return (
        f'<figure>\n<svg viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" role="img" aria-labelledby="tl-title tl-text">\n'
        f'<title id="tl-title">Timeline of masks</title>\n<desc id="tl-text">{words}</desc>\n'
        f"{axis}\n{rows}\n</svg>\n<figcaption>{words}</figcaption>\n</figure>"
    )


def described(found: Sequence[Interval], duration: float) -> str:
    """One sentence per role: how often, how long, first and last time."""
    sentences = []
    for role in sorted({str(one["role"]) for one in found}):
        own = [one for one in found if one["role"] == role]
        whole = sum(one["end_seconds"] - one["start_seconds"] for one in own)
        first, last = min(one["start_seconds"] for one in own), max(one["end_seconds"] for one in own)
        times = "once" if len(own) == 1 else f"in {len(own)} intervals"
        sentences.append(f"{role}: masked {times}, {clock(whole)} of {clock(duration)}, "
                         f"first at {clock(first)}, last until {clock(last)}.")  # fmt: skip
    return " ".join(sentences)


def clock(seconds: float) -> str:
    """``1:02:03.4``; hours only when there are any."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    short = f"{minutes}:{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{rest // 10:02}.{rest % 10}" if hours else short


def _row(role: str, found: Sequence[Interval], number: int, duration: float) -> str:
    top = number * _ROW + 6
    name = escape(role, quote=True)
    style = f"bar {role}" if role in _KNOWN else "bar"
    bars = "".join(
        f'<rect class="{style}" x="{_across(one["start_seconds"], duration):.2f}" y="{top}" height="{_BAR}" '
        f'width="{max(1.0, _across(one["end_seconds"], duration) - _across(one["start_seconds"], duration)):.2f}">'
        f"<title>{name}: {clock(one['start_seconds'])} to {clock(one['end_seconds'])}</title></rect>"
        for one in found
    )
    return f'<text x="8" y="{top + _BAR - 4}">{name}</text>{bars}'


def _axis(duration: float, height: int) -> Iterator[str]:
    for tick in range(_TICKS + 1):
        second = duration * tick / _TICKS
        x = _across(second, duration)
        anchor = "end" if tick == _TICKS else "middle"
        yield (
            f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 24}" stroke="currentColor" stroke-opacity=".2"/>'
            f'<text x="{x:.1f}" y="{height - 8}" text-anchor="{anchor}">{clock(second)}</text>'
        )


def _across(second: float, duration: float) -> float:
    return _LEFT + (_WIDTH * second / duration if duration > 0 else 0.0)
