"""The house: no tracked file names a package registry or a machine's path, and the check that says so can fail."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


def script(name: str) -> ModuleType:
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_tracked_file_carries_an_address_or_a_machine_path() -> None:
    tracked_files = script("tracked_files")
    found = [f"{path}: {fault}" for path in tracked_files.tracked(ROOT) for fault in tracked_files.faults(path)]
    assert found == []


def test_the_check_finds_what_it_looks_for(tmp_path: Path) -> None:
    tracked_files = script("tracked_files")
    for word in tracked_files.FORBIDDEN_WORDS:
        (tmp_path / "page.md").write_text(f"see {word} for more")
        assert tracked_files.faults(tmp_path / "page.md"), word
    (tmp_path / "uv.lock").write_text("")
    assert tracked_files.faults(tmp_path / "uv.lock")
    (tmp_path / "film.mp4").write_bytes(b"\0" * (tracked_files.LARGEST_BYTES + 1))
    assert tracked_files.faults(tmp_path / "film.mp4")
    (tmp_path / "good.md").write_text("nothing")
    assert tracked_files.faults(tmp_path / "good.md") == []


LOCKS = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("services/*/requirements.txt")])


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_lock_pins_with_hashes_and_has_no_address(lock: Path) -> None:
    text = lock.read_text("utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    assert len(pins) > 10
    assert len(re.findall(r"^[^\s#].*\\$", text, re.MULTILINE)) == len(pins), "every pin goes on with hashes"
    assert "://" not in text
    assert not re.search(r"^\s*-[-a-z]", re.sub(r"^ +--hash=.*$", "", text, flags=re.MULTILINE), re.MULTILINE)


def test_there_is_a_lock_for_the_whole_and_for_every_service() -> None:
    names = {str(lock.relative_to(ROOT)) for lock in LOCKS}
    services = {f"services/{name}/requirements.txt" for name in ("gateway", "ingest", "masker", "uploader")}
    assert names == {"requirements.txt", "requirements-dev.txt"} | services


@pytest.mark.parametrize(("service", "absent"), [("gateway", "av"), ("uploader", "numpy"), ("ingest", "onnxruntime")])
def test_a_service_installs_only_what_it_may_use(service: str, absent: str) -> None:
    """Architecture: pixels and models only in the masker, media in no door."""
    text = (ROOT / "services" / service / "requirements.txt").read_text("utf-8")
    assert not re.search(rf"^{absent}==", text, re.MULTILINE)
