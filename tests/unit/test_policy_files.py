"""V-01: a level is a named policy file; sites add their own; a broken one says which key is wrong."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import pytest

from opendrape.adapters.policy_files import PolicyShelf, policy_names, read_policy
from opendrape.domain.policy import PolicyRef, Role
from opendrape.errors import NotFound, PolicyInvalid
from opendrape.settings import shipped


class DictBlobs:
    """The two calls of a blob store that the shelf uses."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put_bytes(self, name: str, content: bytes) -> None:
        self.content[name] = content

    def open(self, name: str) -> BinaryIO:
        if name not in self.content:
            raise NotFound
        return io.BytesIO(self.content[name])


def shelf(*folders: Path) -> tuple[PolicyShelf, DictBlobs]:
    blobs = DictBlobs()
    return PolicyShelf(folders or (shipped("policies"),), blobs), blobs  # type: ignore[arg-type]


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(text)
    return folder


def test_every_shipped_level_can_be_read() -> None:
    """V-01: minimal, faces and full are files."""
    policies, _ = shelf()
    assert policies.names() == ("endoscopy", "faces", "full", "minimal")
    assert {policies.get(name).name for name in policies.names()} == {"endoscopy", "faces", "full", "minimal"}
    assert policies.get("minimal").roles == frozenset()
    assert {Role.FACE, Role.TEXT} <= policies.get("faces").roles


def test_endoscopy_masks_all_that_faces_masks() -> None:
    """V-01: faces and text by the same rules, out-of-body time, case sheet and still lettering besides."""
    policies, _ = shelf()
    faces, endoscopy = policies.get("faces"), policies.get("endoscopy")
    more = [rule for rule in endoscopy.detect if rule not in faces.detect]
    assert [rule.role for rule in more] == [Role.OUT_OF_BODY]
    assert set(faces.detect) < set(endoscopy.detect)
    own = {"name", "summary", "detect", "overlays", "case_sheet"}
    assert endoscopy.model_dump(exclude=own) == faces.model_dump(exclude=own)
    assert endoscopy.overlays
    assert endoscopy.case_sheet
    assert Role.OUT_OF_BODY not in endoscopy.roles


def test_full_does_all_that_faces_does_and_more() -> None:
    """V-01: the same rules for faces, text and the second look, text at more sizes; levels build on each other."""
    policies, _ = shelf()
    faces, full = policies.get("faces"), policies.get("full")
    for kind in ("opinion", "residual"):
        assert set(getattr(faces, kind)) <= set(getattr(full, kind)), kind
    for rule in faces.detect:
        own = [one for one in full.detect if set(one.long_side_pixels) >= set(rule.long_side_pixels)]
        assert rule in [one.model_copy(update={"long_side_pixels": rule.long_side_pixels}) for one in own]
    assert full.roles >= faces.roles | {Role.PERSON_VEHICLE, Role.SCREEN}


def test_a_sites_own_policy_hides_the_shipped_one(tmp_path: Path) -> None:
    """V-01: sites add their own."""
    own = write(tmp_path, "faces", 'name = "faces"\nsummary = "ours"\n')
    assert read_policy((own, shipped("policies")), "faces").summary == "ours"
    assert policy_names((own, shipped("policies"))) == ("endoscopy", "faces", "full", "minimal")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('name = "p"\nsummary = "s"\ncolor = 1\n', "key color:"),
        ('name = "p"\n', "key summary:"),
        ('name = "p"\nsummary = "s"\n[mask]\neffect = "smear"\n', "key mask.effect:"),
        (
            'name = "p"\nsummary = "s"\n[mask]\neffect = "blur"\ncells_across = 3\n',
            "mask.cells_across: Value error, too weak",
        ),
        ('name = "p"\nsummary = "s"\n[mask.classes.nose]\neffect = "blur"\n', "key mask.classes.nose"),
        ('name = "p"\nsummary = "s"\n[mask]\ncolour_rgb = [0, 0, 256]\n', "key mask.colour_rgb:"),
        ('name = "p"\nsummary = "s"\n[[detect]]\nrole = "face"\n', "key detect[0].max_gap_seconds:"),
        ('name = "q"\nsummary = "s"\n', "key name:"),
        ("name = \n", "not TOML"),
    ],
)
def test_a_broken_policy_names_the_key(tmp_path: Path, text: str, named: str) -> None:
    """V-01: fail closed with a clear text; an effect that this build cannot paint is refused, not ignored."""
    with pytest.raises(PolicyInvalid) as caught:
        read_policy((write(tmp_path, "p", text),), "p")
    assert named in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../faces", "/etc/passwd", "Faces", "a" * 40])
def test_a_name_that_is_a_path_is_never_opened(name: str) -> None:
    with pytest.raises(PolicyInvalid):
        shelf()[0].get(name)


def test_an_unknown_policy_lists_the_known_ones() -> None:
    with pytest.raises(PolicyInvalid, match="faces, full, minimal"):
        shelf()[0].get("everything")


def test_a_remembered_policy_survives_a_change_of_its_file(tmp_path: Path) -> None:
    """Work in flight keeps the policy that it was accepted under."""
    own = write(tmp_path, "p", 'name = "p"\nsummary = "before"\n')
    policies, blobs = shelf(own)
    before = policies.get("p")
    policies.remember(before)
    write(tmp_path, "p", 'name = "p"\nsummary = "after"\n')
    later = PolicyShelf((own,), blobs)  # type: ignore[arg-type]
    assert later.by_reference(before.reference) == before
    assert later.get("p") != before


def test_an_altered_or_forgotten_policy_is_refused() -> None:
    """A digest that does not match its bytes is never used."""
    policies, blobs = shelf()
    faces = policies.get("faces")
    with pytest.raises(PolicyInvalid, match="never remembered"):
        policies.by_reference(faces.reference)
    policies.remember(faces)
    name = f"policies/{faces.digest}.json"
    blobs.content[name] = blobs.content[name].replace(b'"crf":20', b'"crf":40')
    with pytest.raises(PolicyInvalid, match="altered"):
        policies.by_reference(PolicyRef(name="faces", digest=faces.digest))
