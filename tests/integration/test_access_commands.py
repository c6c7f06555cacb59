"""H-05, H-09: `opendrape keys api` and `opendrape audit` on a real state folder: keys, exit codes, exports."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opendrape.bootstrap import bootstrap
from opendrape.cli.main import run_command
from opendrape.domain.audit import AuditEvent
from opendrape.settings import Settings
from tests.fakes.catalogue import new_asset


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that was worked in: three events of one asset, not yet sealed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "state"
    container = bootstrap(Settings(state_dir=folder, destination=tmp_path / "out"))
    with container.resources:
        assert container.audit.keys, "made by whoever seals first, as `run` and `serve` do"
        container.catalogue.register(new_asset(), actor="test")
        container.catalogue.append_audit(AuditEvent("cli:uid-1", "key_map.reveal", "ar-1", container.clock.now()))
    return folder


def opendrape(state: Path, *arguments: str) -> int:
    return run_command([*arguments, "--state-dir", str(state)])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# -- keys -------------------------------------------------------------------------------------------------------------
def test_a_key_is_made_listed_replaced_and_ended(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """H-05: the text once; afterwards its name and facts only."""
    assert opendrape(state, "keys", "api", "create", "pacs", "--role", "service", "--role", "user", "--json") == 0
    made = told(capsys)
    assert made["key"].startswith(f"odk_{made['id']}_")
    assert made["roles"] == ["service", "user"]
    assert opendrape(state, "keys", "api", "rotate", made["id"], "--overlap-hours", "1", "--json") == 0
    successor = told(capsys)
    assert successor["client"] == made["client"]
    assert opendrape(state, "keys", "api", "revoke", made["id"]) == 0
    capsys.readouterr()
    assert opendrape(state, "keys", "api", "list", "--json") == 0
    listed = capsys.readouterr().out
    assert {key["id"]: key["live"] for key in json.loads(listed)["keys"]} == {made["id"]: False, successor["id"]: True}
    for secret in (made["key"], successor["key"]):
        assert secret not in listed


def test_the_text_of_a_key_is_alone_on_stdout(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """H-05: so that it can be piped into a secret store."""
    assert opendrape(state, "keys", "api", "create", "pacs", "--role", "user") == 0
    said = capsys.readouterr()
    assert len(said.out.split()) == 1
    assert "odk_" not in said.err
    assert opendrape(state, "keys", "api", "list") == 0
    assert "live" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["create", "Dr Smith", "--role", "user"], 2),
        (["create", "pacs"], 2),
        (["create", "pacs", "--role", "root"], 2),
        (["create", "pacs", "--role", "user", "--days", "1000"], 2),
        (["rotate", "000000000000"], 1),
        (["revoke", "000000000000"], 1),
    ],
)
def test_what_cannot_be_has_its_code(state: Path, arguments: list[str], code: int) -> None:
    """H-05, C-02."""
    assert opendrape(state, "keys", "api", *arguments) == code


def test_a_key_can_be_drawn_without_a_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    """H-05: for the file of the first key."""
    assert run_command(["keys", "api", "draw"]) == 0
    assert capsys.readouterr().out.startswith("odk_")


# -- audit ------------------------------------------------------------------------------------------------------------
def test_a_whole_audit_is_0_and_a_changed_one_1(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """H-09: exit codes, the finding in words and for a machine."""
    assert opendrape(state, "audit", "verify") == 0
    assert "not yet" in capsys.readouterr().out
    assert opendrape(state, "audit", "seal") == 0
    assert opendrape(state, "audit", "verify") == 0
    capsys.readouterr()
    with closing(sqlite3.connect(state / "catalogue.sqlite3")) as raw, raw:
        raw.execute("UPDATE audit_events SET actor = 'nobody' WHERE action = 'key_map.reveal'")
    assert opendrape(state, "audit", "verify") == 1
    assert "changed: position" in capsys.readouterr().out
    assert opendrape(state, "audit", "verify", "--json") == 1
    result = told(capsys)
    assert not result["whole"]
    assert [one["fault"] for one in result["findings"]] == ["changed"]


def test_a_cut_audit_is_1_also_for_who_would_seal_on(state: Path) -> None:
    """H-09."""
    assert opendrape(state, "audit", "seal") == 0
    with closing(sqlite3.connect(state / "catalogue.sqlite3")) as raw, raw:
        raw.execute("DELETE FROM audit_seals WHERE position = (SELECT max(position) FROM audit_seals)")
    assert opendrape(state, "audit", "verify") == 1
    assert opendrape(state, "audit", "seal") == 1


def test_without_the_key_nothing_is_said_to_be_whole(state: Path) -> None:
    """H-09: exit code 3."""
    (state / "keys" / "audit.json").unlink()
    assert opendrape(state, "audit", "verify") == 3
    assert opendrape(state, "audit", "seal") == 3


def test_an_export_has_every_event_and_is_an_event(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """H-09: NDJSON, 0600, never over a file that is there."""
    assert opendrape(state, "audit", "seal") == 0
    fhir, plain = tmp_path / "fhir.ndjson", tmp_path / "plain.ndjson"
    assert opendrape(state, "audit", "export", str(fhir), "--fhir") == 0
    assert opendrape(state, "audit", "export", str(plain)) == 0
    resources = [json.loads(line) for line in fhir.read_text().splitlines()]
    events = [json.loads(line) for line in plain.read_text().splitlines()]
    assert {one["resourceType"] for one in resources} == {"AuditEvent"}
    assert len(events) == len(resources) + 1
    assert events[-1]["action"] == "audit.exported"
    assert events[0]["seal"]["position"] == 1
    assert fhir.stat().st_mode & 0o777 == 0o600
    assert opendrape(state, "audit", "export", str(fhir)) == 2
    assert len(fhir.read_text().splitlines()) == len(resources)


def test_a_new_key_seals_and_old_seals_stay_good(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """H-09: rotation on the command line, itself audited."""
    assert opendrape(state, "audit", "seal") == 0
    assert opendrape(state, "audit", "rotate-key") == 0
    assert opendrape(state, "audit", "seal") == 0
    capsys.readouterr()
    assert opendrape(state, "audit", "verify", "--json") == 0
    assert told(capsys)["unsealed"] == 0
