"""Where may the contact sheet of ``mask --preview`` go, and what must be said about it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opendrape.cli.terminal import Terminal

if TYPE_CHECKING:
    from opendrape_masker.preview.orders import PreviewWish

Preview = Annotated[
    Path | None, typer.Option("--preview", help="Contact sheet (PNG, mode 0600) of the masked file, boxes drawn.")
]
WithOriginals = Annotated[
    bool, typer.Option("--preview-with-originals", help="Also the pictures before masking: they show who it is.")
]


def preview_wish(terminal: Terminal, path: Path | None, *, with_originals: bool, output: Path) -> PreviewWish | None:
    """What was asked for; ``BadParameter`` when it cannot be, a warning when the sheet will show identity."""
    if path is None:
        if with_originals:
            raise typer.BadParameter("needs --preview FILE.png", param_hint="--preview-with-originals")
        return None
    if path.suffix.lower() != ".png":
        raise typer.BadParameter("must end in .png", param_hint="--preview")
    if path.exists() or path.is_symlink():
        raise typer.BadParameter("is there already", param_hint="--preview")
    if path.absolute() == output.absolute():
        raise typer.BadParameter("is the output itself", param_hint="--preview")
    if with_originals:
        terminal.notice("warning: the preview will show the pictures before masking; keep it as you keep the source")
    from opendrape_masker.preview.orders import PreviewWish

    return PreviewWish(path, with_originals)
