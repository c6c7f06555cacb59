"""D-06, V-02, V-15: the contact sheet and the reports of `opendrape mask`: right, private, and without a name."""

from __future__ import annotations

import json
import stat
import subprocess
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from opendrape_masker.engine.regions import PixelRect
from opendrape_masker.preview.preview_child import choose
from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.e2e.test_mask_command import opendrape

REGION = "40,30,80,60@10-40"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds without faces under a name full of identity."""
    folder = tmp_path_factory.mktemp("clip")
    make_sample(folder, SampleRequest(seconds=Fraction(2), width=320, height=180, faces=0, text=False, key_interval=20))
    (path,) = folder.iterdir()
    return path


def mask(clip: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return opendrape(
        folder,
        "mask",
        str(clip),
        "--output",
        str(folder / "out" / "masked.mp4"),
        "--policy",
        "minimal",
        "--region",
        REGION,
        *arguments,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class Page(HTMLParser):
    """Collects what a strict reader asks of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in {"src", "href", "xlink:href", "action"}]
        if tag not in {"meta", "br", "rect", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line"}:
            assert self.open.pop() == tag

    def handle_data(self, words: str) -> None:
        self.words.append(words)


def test_both_reports_say_when_what_was_masked_and_never_what_the_file_is_called(clip: Path, tmp_path: Path) -> None:
    """D-06: a report can be shown to anybody who may see the output."""
    paths = tmp_path / "r.json", tmp_path / "r.html"
    done = mask(clip, tmp_path, *(part for path in paths for part in ("--report", str(path))))
    assert done.returncode == 0, done.stderr
    facts = json.loads(paths[0].read_text())
    (found,) = facts["report"]["found"]
    assert (found["role"], found["start_frame"], found["end_frame"]) == ("marked", 10, 40)
    assert (found["start_seconds"], found["end_seconds"]) == (0.333333, 1.333333)
    assert facts["report"]["duration_seconds"] == 2.0
    page = Page()
    page.feed(paths[1].read_text())
    page.close()
    assert not page.open
    assert not page.links
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table") >= 3
    assert {"svg", "title", "desc", "figcaption", "main", "header"} <= set(page.tags)
    assert "marked: masked once, 0:01.0 of 0:02.0, first at 0:00.3, last until 0:01.3." in page.words
    for path in paths:
        content = path.read_text()
        for name in (clip.name, clip.stem, str(clip.parent), str(tmp_path), "Andersson", "471193"):
            assert name not in content
        assert mode(path) & 0o007 == 0


def test_the_preview_shows_the_written_file_to_its_owner_only(clip: Path, tmp_path: Path) -> None:
    """V-15: mode 0600; boxes are drawn around what is masked; nothing of the source is on it unless asked for."""
    sheet = tmp_path / "sheets" / "p.png"
    done = mask(clip, tmp_path, "--preview", str(sheet))
    assert done.returncode == 0, done.stderr
    assert mode(sheet) == 0o600
    assert "warning" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["masked.mp4"]
    picture = cv2.imread(str(sheet))
    assert picture is not None
    frames = choose(60, {frame: (PixelRect(40, 30, 120, 90),) for frame in range(10, 40)})
    assert len(frames) >= 16
    cells = cells_of(picture, wide=480)[: len(frames)]
    masked = [bool(cell[60:120, 80:160].max() < 40) for cell in cells]
    assert masked == [10 <= frame < 40 for frame in frames]
    lit = cells[masked.index(True)]
    assert (lit[41:43, 80:160] > 200).all(axis=2).mean() > 0.6, "a white outline lies on the region's upper edge"


def cells_of(picture: np.ndarray, *, wide: int) -> list[np.ndarray]:
    """The cells of a sheet of 16:9 pictures, left to right, top to bottom."""
    tall = wide * 9 // 16
    return [
        picture[top : top + tall, left : left + wide]
        for top in range(60, picture.shape[0] - tall, tall + 34)
        for left in range(8, picture.shape[1] - wide, wide + 8)
    ]


def test_originals_are_shown_only_when_asked_for_and_with_a_warning(clip: Path, tmp_path: Path) -> None:
    """V-15: the picture before masking is identity; whoever wants it says so."""
    sheet = tmp_path / "p.png"
    done = mask(clip, tmp_path, "--preview", str(sheet), "--preview-with-originals", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "warning: the preview will show the pictures before masking" in done.stderr
    assert mode(sheet) == 0o600
    picture = cv2.imread(str(sheet))
    assert picture is not None
    row = picture[60 + 304 : 60 + 304 + 270, 8 : 8 + 962]  # frames 16, 20, 24, 28
    before, after = row[70:110, 90:150], row[70:110, 482 + 90 : 482 + 150]
    assert after.max() < 40
    assert before.mean() > 40


@pytest.mark.parametrize(
    "arguments",
    [
        ("--preview", "p.jpg"),
        ("--preview-with-originals",),
        ("--report", "r.txt"),
        ("--report", "r.json", "--report", "r.json"),
        ("--preview", "there.png"),
        ("--report", "there.html"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(clip: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """C-01, D-03: nothing is overwritten, and no video is masked for nothing."""
    for name in ("there.png", "there.html"):
        (tmp_path / name).write_bytes(b"mine")
    placed = [argument if argument.startswith("--") else str(tmp_path / argument) for argument in arguments]
    assert mask(clip, tmp_path, *placed).returncode == 2
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "there.png").read_bytes() == b"mine"
