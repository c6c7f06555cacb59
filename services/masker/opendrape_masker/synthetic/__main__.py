"""The command ``python -m opendrape_masker.synthetic``: write a sample, and its truth somewhere else."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from opendrape_masker.synthetic import SampleRequest, make_sample


def main(arguments: list[str] | None = None) -> int:
    """Write the sample; 2 when the truth would lie inside the input folder."""
    parser = argparse.ArgumentParser(prog="python -m opendrape_masker.synthetic", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the sample (an input folder)")
    parser.add_argument("--truth", type=Path, required=True, help="JSON file with the truth, outside of --out")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(20))
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--rate", type=Fraction, default=Fraction(30))
    parser.add_argument("--faces", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--key-interval", type=int, default=60)
    parser.add_argument("--variable-rate", action="store_true")
    parser.add_argument("--rotation", type=int, choices=(0, 90, 180, 270), default=0)
    parser.add_argument("--pixel-format", default="yuv420p")
    options = vars(parser.parse_args(arguments))
    out, truth = options.pop("out"), options.pop("truth")
    if truth.resolve().is_relative_to(out.resolve()):
        parser.error("--truth must lie outside of --out: it names everybody")
    made = make_sample(out, SampleRequest(**options))
    truth.parent.mkdir(parents=True, exist_ok=True)
    made.write(truth)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
