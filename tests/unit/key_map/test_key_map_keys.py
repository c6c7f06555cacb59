"""P-04: a key file that is missing, wrong, lax or rubbish opens nothing and changes nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from opendrape.errors import ConfigurationError
from tests.fakes.key_maps import SHA, Maps


def test_a_map_without_its_key_is_refused_and_nothing_is_made(file_maps: Maps) -> None:
    """P-04: a missing key is never replaced by a new one."""
    file_maps.open().asset_pseudonym(SHA)
    file_maps.close()
    file_maps.key_file.unlink()
    before = file_maps.path.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        file_maps.open()
    assert caught.value.reason == "key_file_missing"
    assert not file_maps.key_file.exists()
    assert file_maps.path.read_bytes() == before


def _other_lookup(content: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**content, "lookup": other["lookup"]}


def _other_active(content: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**content, "active": other["active"]}


def _other_version(content: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**content, "active": {**content["active"], "version": 7}}


@pytest.mark.parametrize("spoil", [lambda _content, other: other, _other_lookup, _other_active, _other_version])
def test_a_wrong_key_is_refused_and_nothing_is_overwritten(file_maps: Maps, tmp_path: Path, spoil: Any) -> None:
    """P-04: a key file of another map, or a mixed one, opens nothing."""
    file_maps.open().asset_pseudonym(SHA)
    file_maps.close()
    stranger = Maps(tmp_path / "stranger")
    stranger.open()
    stranger.close()
    right = file_maps.key_file.read_text()
    file_maps.key_file.write_text(json.dumps(spoil(json.loads(right), json.loads(stranger.key_file.read_text()))))
    before = file_maps.path.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        file_maps.open()
    assert caught.value.reason == "map_key_wrong"
    assert file_maps.path.read_bytes() == before
    file_maps.key_file.write_text(right)
    assert file_maps.open().find_asset(SHA)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(maps: Maps, mode: int) -> None:
    """P-04: group or other may not read the key."""
    maps.open()
    maps.key_file.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        maps.open()
    assert caught.value.reason == "key_file_permissions"


@pytest.mark.parametrize("content", ["", "rubbish", "{}", '{"format": "opendrape-map-key/1"}', "[1]"])
def test_a_key_file_that_is_none_is_refused_without_quoting_it(maps: Maps, content: str) -> None:
    maps.open()
    maps.key_file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        maps.open()
    assert caught.value.reason == "key_file_unreadable"


def test_a_short_key_is_refused_without_quoting_it(maps: Maps) -> None:
    maps.open()
    content = json.loads(maps.key_file.read_text())
    content["active"]["key"] = base64.b64encode(b"a secret!").decode()
    maps.key_file.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError) as caught:
        maps.open()
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_map_is_refused_and_left_alone(file_maps: Maps) -> None:
    file_maps.path.write_bytes(b"my holiday diary" * 1000)
    with pytest.raises(ConfigurationError) as caught:
        file_maps.open()
    assert caught.value.reason == "map_unreadable"
    assert file_maps.path.read_bytes() == b"my holiday diary" * 1000
    assert not file_maps.key_file.exists()
