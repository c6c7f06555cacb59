"""``opendrape sample``: a video full of invented identity to try everything on, with its exact truth beside it."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opendrape.cli.configuration import AsJson
from opendrape.cli.terminal import Terminal

if TYPE_CHECKING:
    from opendrape_masker.synthetic import SampleRequest

app = typer.Typer(name="sample", help="A sample video with exact ground truth.", no_args_is_help=True)

Output = Annotated[Path, typer.Option("--output", help="Folder for the sample; the truth goes beside it.")]


@app.callback()
def _group() -> None:
    """A sample video with exact ground truth."""


@app.command("make")
def make(
    output: Output = Path("var/sample/in"),
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Length in seconds.")] = 20.0,
    width: Annotated[int, typer.Option(min=64, max=8192, help="Width in pixels.")] = 1920,
    height: Annotated[int, typer.Option(min=64, max=4352, help="Height in pixels.")] = 1080,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same sample.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make the sample unless the folder has it already; a face, burned-in names, tags and speech, all invented."""
    from opendrape_masker.synthetic import SampleRequest

    terminal, truth = Terminal(as_json=as_json), truth_path(output)
    made = not truth.is_file()
    if made:
        terminal.say(f"making a sample of {seconds:g} s at {width}x{height} (once; about as long as it plays) ...")
        request = SampleRequest(
            seconds=Fraction(seconds).limit_denominator(1000), width=width, height=height, seed=seed
        )
        _make(output, truth, request)
    terminal.say(f"sample {'made' if made else 'is there already'}; its truth lies beside the folder as {truth.name}")
    terminal.result({"made": made})


def truth_path(folder: Path) -> Path:
    """Beside the input folder, never inside: the truth names everybody."""
    return folder.absolute().parent / f"{folder.absolute().name}-truth.json"


def _make(output: Path, truth: Path, request: SampleRequest) -> None:
    from opendrape_masker.synthetic import make_sample

    output.parent.mkdir(parents=True, exist_ok=True)
    # made elsewhere and moved: an interrupted sample must not be taken for a whole one
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".sample-") as workshop:
        known = make_sample(Path(workshop), request)
        output.mkdir(exist_ok=True)
        (Path(workshop) / known.file).replace(output / known.file)
        draft = Path(workshop) / "truth.json"
        known.write(draft)
        draft.replace(truth)
