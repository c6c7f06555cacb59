"""How does a masking report look to a privacy officer: one self-contained page, every word escaped?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from html import escape
from typing import Any, Final

from opendrape.cli.report_timeline import clock, timeline_figure

# fmt: off
_TOLD: Final = frozenset((
    "version", "frames", "masked_frames", "detections", "tracks", "things", "accounts", "models", "checks", "found",
    "found_joined", "out_of_body", "duration_seconds", "seconds", "peak_memory_bytes", "cosmetic",
))
# fmt: on
_STYLE: Final = """
:root{color-scheme:light dark;--line:#8885;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:62rem;padding:1.5rem}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.25rem 0;opacity:.85}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
thead th{background:var(--soft)}td.n,th.n{text-align:right}
code{overflow-wrap:anywhere}figure{margin:0}figcaption{opacity:.85;font-size:.9rem}
.scroll{overflow:auto;max-height:24rem}.scroll:focus-visible,summary:focus-visible{outline:3px solid Highlight}
svg{display:block;width:100%;height:auto;background:var(--soft)}
svg text{fill:currentColor;font:13px system-ui,sans-serif}
.bar{fill:#1f77b4}.face{fill:#c2570c}.text{fill:#0b7a75}.marked{fill:#6b7280}
@media(prefers-color-scheme:dark){.bar{fill:#7cb8e8}.face{fill:#f6a15b}.text{fill:#5fd0c8}.marked{fill:#b6bcc6}}
@media print{.scroll{max-height:none}}
""".strip()

Row = Sequence[object]


def report_page(facts: Mapping[str, Any]) -> str:
    """HTML 5 without script and without anything from elsewhere. ``facts`` as from ``report_files.report_facts``."""
    report = facts["report"]
    sections = [
        _section("when", "What was masked when", _when(report)),
        _section("what", "What was found", _found(report)),
        _section("accounts", "Every frame accounted for", _accounts(report["accounts"])),
        _section("checks", "Checks on the written file", _checks(report["checks"])),
        *_out_of_body(report),
        _section("models", "Models that looked", _models(report["models"])),
        _section("more", "Further facts", _further(report)),
    ]
    policy = facts["policy"]
    head = (
        f"<h1>Masking report</h1><p>Policy <strong>{_text(policy['name'])}</strong> "
        f"(<code>{_text(policy['digest'][:16])}</code>): {_text(policy['summary'])}<br>"
        f"{_text(facts['software'])}. {report['frames']} frames, {clock(report['duration_seconds'])}; "
        f"{report['masked_frames']} frames with masks. This page names no file and no person.</p>"
    )
    if report.get("cosmetic"):
        labels = _text(", ".join(report["cosmetic"]))
        head += f"<p><strong>Cosmetic only: {labels}.</strong> Hidden from view, not de-identified.</p>"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Masking report</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
        f"<body>\n<header>{head}</header>\n<main>\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>"
    )


def _section(name: str, title: str, content: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{_text(title)}</h2>\n{content}\n</section>'


def _when(report: Mapping[str, Any]) -> str:
    found = report["found"]
    if not found:
        return "<p>Nothing was masked.</p>"
    joined = (
        " There were too many intervals; short pauses between them are not shown." if report["found_joined"] else ""
    )
    rows = [
        (one["role"], clock(one["start_seconds"]), clock(one["end_seconds"]), one["start_frame"], one["end_frame"] - 1,
         one["most_at_once"])
        for one in found
    ]  # fmt: skip
    listed = _table(
        f"The same as a list.{joined}",
        ("role", "from", "to", "first frame", "last frame", "most at once"),
        rows,
    )
    return f"{timeline_figure(found, report['duration_seconds'])}\n{_scrolled('Intervals', listed)}"


def _found(report: Mapping[str, Any]) -> str:
    roles = sorted({*report["detections"], *report["tracks"], *(one["role"] for one in report["found"])})
    rows = [
        (role, report["detections"].get(role, "-"), report["tracks"].get(role, "-"), clock(_shown(report, role)))
        for role in roles
    ]
    table = _table(
        "Detections are counted on examined frames; an appearance is continuous.",
        ("role", "detections", "appearances", "masked for"),
        rows,
    )
    things = [(name, count) for name, count in sorted(report.get("things", {}).items())]
    return table + (_table("Appearances by class", ("class", "appearances"), things) if things else "")


def _shown(report: Mapping[str, Any], role: str) -> float:
    return float(sum(one["end_seconds"] - one["start_seconds"] for one in report["found"] if one["role"] == role))


def _accounts(accounts: Mapping[str, Mapping[str, int]]) -> str:
    if not accounts:
        return "<p>The policy asks no detector, so no frame was examined by one.</p>"
    rows = [
        (role, each["examined"], each["inside_track"], each["bracketed"], sum(each.values()))
        for role, each in sorted(accounts.items())
    ]
    return _table(
        "Each frame is in exactly one count: examined, masked as part of an appearance, or between two examined frames "
        "no further apart than the policy allows.",
        ("role", "examined", "inside an appearance", "between looks", "all frames"),
        rows,
    )


def _out_of_body(report: Mapping[str, Any]) -> Iterator[str]:
    """Only where there is any: when the endoscope was, or may have been, out of the body."""
    rows = [
        (
            clock(float(Fraction(one["start_seconds"]))),
            clock(float(Fraction(one["end_seconds"]))),
            one["start_frame"],
            one["end_frame"] - 1,
            one["certainty"],
            "black" if one["masked"] else "shown",
            "a person should say" if one["in_doubt"] else "-",
        )
        for one in report.get("out_of_body", ())
    ]
    if rows:
        caption = "In doubt: what was measured there lies between inside and outside."
        headings = ("from", "to", "first frame", "last frame", "certainty", "picture", "in doubt")
        yield _section("body", "Time out of the body", _scrolled("Out of body", _table(caption, headings, rows)))


def _checks(checks: Mapping[str, Any]) -> str:
    rows = [(name.replace("_", " "), value) for name, value in checks.items() if name != "residual_findings"]
    table = _table("What was verified on the bytes as written.", ("check", "result"), [*rows])
    findings = checks["residual_findings"]
    if not findings:
        return table + "<p>The second look found nothing that is not masked.</p>"
    places = [(one["role"], one["frame"], one["score"], f"{one['x']}, {one['y']}") for one in findings]
    return table + _table("Found by the second look", ("role", "frame", "score", "at, px"), places)


def _models(models: Iterable[Mapping[str, Any]]) -> str:
    rows = [
        (one["role"], one["purpose"], one["model"], ", ".join(map(str, one["long_side_pixels"])), one["sha256"])
        for one in models
    ]
    if not rows:
        return "<p>None.</p>"
    headings = ("role", "purpose", "model", "longest side, px", "SHA-256")
    return _scrolled("Models", _table("With the digest of the weights.", headings, rows))


def _further(report: Mapping[str, Any]) -> str:
    """Whatever else the report says, so that a new fact is never left off the page."""
    rows = [row for name, value in sorted(report.items()) if name not in _TOLD for row in _flat(name, value)]
    rows += [(f"seconds in {stage}", spent) for stage, spent in sorted(report["seconds"].items())]
    rows.append(("peak memory, MiB", round(report["peak_memory_bytes"] / 2**20)))
    return _scrolled("Further facts", _table("As the engine wrote them down.", ("fact", "value"), rows))


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}: {key}", part)
    elif isinstance(value, list | tuple):
        yield (name, "none") if not value else (name, len(value))
        for number, part in enumerate(value, 1):
            yield from _flat(f"{name} {number}", part)
    else:
        yield name, "-" if value in (None, "") else value


def _scrolled(label: str, content: str) -> str:
    """A long table in a region that the keyboard can scroll."""
    return f'<div class="scroll" role="region" aria-label="{_text(label)}" tabindex="0">\n{content}\n</div>'


def _table(caption: str, headings: Sequence[str], rows: Iterable[Row]) -> str:
    head = "".join(f'<th scope="col">{_text(heading)}</th>' for heading in headings)
    body = "\n".join(_row(row) for row in rows)
    thead, tbody = f"<thead><tr>{head}</tr></thead>", f"<tbody>\n{body}\n</tbody>"
    return f"<table>\n<caption>{_text(caption)}</caption>\n{thead}\n{tbody}\n</table>"


def _row(row: Row) -> str:
    first, *rest = row
    cells = "".join(f"<td>{_text(cell)}</td>" for cell in rest)
    return f'<tr><th scope="row">{_text(first)}</th>{cells}</tr>'


def _text(value: object) -> str:
    return escape(str(value), quote=True)
