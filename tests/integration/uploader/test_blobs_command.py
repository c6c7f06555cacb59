"""D-05, I-08: `opendrape blobs` on a folder and on a real container: list, verify, orphans, retention, upload only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opendrape.bootstrap import Container, bootstrap
from opendrape.cli.configuration import load_settings
from opendrape.cli.main import run_command
from opendrape.cli.receipts import delivery_fault
from opendrape.domain.states import AssetState
from opendrape.errors import IllegalTransition, PermanentError
from opendrape.settings import Settings
from opendrape_uploader.clean_up import Retention
from tests.fakes.delivered import assembled, delivered
from tests.servers.azurite import Azurite
from tests.servers.blob_accounts import overwrite_behind

Say = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(params=["folder", "container"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, container_name: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The environment of an installation whose outputs go to a folder, or whose blobs are all in a container."""
    monkeypatch.setenv("OPENDRAPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("OPENDRAPE_DESTINATION", str(tmp_path / "out"))
    if request.param == "container":
        azurite: Azurite = request.getfixturevalue("azurite")
        monkeypatch.setenv("OPENDRAPE_BLOBS__CONNECTION_STRING", azurite.connection_string())
        for use in ("WORK", "DESTINATION"):
            monkeypatch.setenv(f"OPENDRAPE_BLOBS__{use}_CONTAINER", container_name)
            monkeypatch.setenv(f"OPENDRAPE_BLOBS__{use}_PREFIX", use.lower())
    return load_settings()


@pytest.fixture
def container(settings: Settings) -> Iterator[Container]:
    made = bootstrap(settings)
    yield made
    made.close()


@pytest.fixture
def damage(settings: Settings, container_name: str, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Flips a bit of a stored output."""

    def flip(name: str) -> None:
        if settings.blobs.destination_container:
            overwrite_behind(request.getfixturevalue("azurite"), container_name, f"destination/{name}", place=7)
        else:
            path = settings.destination / name
            content = bytearray(path.read_bytes())
            content[7] ^= 1
            path.write_bytes(content)

    return flip


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command with --json: exit code and document."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run_command(["blobs", *arguments, "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else {}

    return run


def _outputs(container: Container, count: int) -> list[str]:
    return [delivered(container, b"original %d" % n, b"masked %d" % n * 1000) for n in range(count)]


def test_everything_delivered_is_listed_and_verified(
    container: Container, say: Say, damage: Callable[[str], None]
) -> None:
    """D-05, D-02: count, sizes and digests; a flipped bit and a lost blob are found by reading everything again."""
    first, second = sorted(_outputs(container, 2))
    code, listed = say("list", "--digest")
    assert (code, listed["count"]) == (0, 4)
    assert listed["size_bytes"] == sum(blob["size_bytes"] for blob in listed["blobs"])
    assert say("list", first)[1]["count"] == 2
    code, verified = say("verify")
    assert (code, verified["counts"]["intact"]) == (0, 4)
    output = next(blob["name"] for blob in listed["blobs"] if blob["name"].startswith(first) and ".mp4" in blob["name"])
    damage(output)
    code, verified = say("verify")
    assert code == 1
    assert {b["name"] for b in verified["blobs"] if b["verdict"] == "damaged"} == {output}
    lost = next(b["name"] for b in listed["blobs"] if b["name"].startswith(second) and ".receipt" in b["name"])
    container.destination_blobs.delete(lost)
    code, verified = say("verify", second)
    assert code == 1
    assert {b["name"]: b["verdict"] for b in verified["blobs"]}[lost] == "missing"


def test_a_receipt_of_another_signer_is_not_believed(container: Container, say: Say) -> None:
    """D-05, D-06."""
    (asset_id,) = _outputs(container, 1)
    container.destination_blobs.put_bytes(f"{asset_id}/{asset_id}_forged.receipt.json", b"{}")
    code, verified = say("verify")
    assert code == 1
    assert verified["counts"]["receipt_not_ours"] == 1


def test_delivery_is_judged_where_the_output_lies(container: Container, damage: Callable[[str], None]) -> None:
    """D-06: `run` reads output and receipt back from the destination, whichever it is."""
    _outputs(container, 1)
    names = [entry.name for entry in container.destination_blobs.list()]
    receipt, output = sorted(names, key=lambda name: ".mp4" in name)
    assert delivery_fault(container, receipt) is None
    damage(output)
    assert delivery_fault(container, receipt) == "output_differs"
    container.destination_blobs.delete(output)
    assert delivery_fault(container, receipt) == "output_missing"


def test_orphans_go_only_when_asked_and_only_what_is_ours(container: Container, say: Say) -> None:
    """D-05, I-08: dry run by default; what no row refers to goes, what is on its way or of another form stays."""
    (known,) = _outputs(container, 1)
    on_its_way = assembled(container, b"another", b"masked")
    orphan, foreign = "ar-nobody/ar-nobody_faces-1.mp4", "holiday/film.mp4"
    waiting = f"{on_its_way}/{on_its_way}_faces-12345678.mp4"
    for name in (orphan, foreign, waiting):
        container.destination_blobs.put_bytes(name, b"x")
    code, found = say("orphans")
    assert (code, found["orphans"], found["foreign"], found["removed"]) == (0, [orphan], [foreign], 0)
    assert container.destination_blobs.exists(orphan)
    assert say("orphans", "--yes")[1]["removed"] == 1
    left = [entry.name for entry in container.destination_blobs.list()]
    assert orphan not in left
    assert {foreign, waiting} < set(left)
    assert len([name for name in left if name.startswith(known)]) == 2
    events = [event for event in container.catalogue.audit_events() if event.action == "blob.orphan_removed"]
    assert [event.facts["blob"] for event in events] == [orphan]


def test_clean_up_refuses_without_proof_and_in_bulk(container: Container, say: Say) -> None:
    """I-08: a catalogue that knows nothing here is the wrong one; too many at once is a mistake."""
    for number in range(3):
        container.destination_blobs.put_bytes(f"ar-{number}/ar-{number}_faces-1.mp4", b"x")
    assert say("orphans", "--yes")[0] == 1
    _outputs(container, 1)
    assert say("orphans", "--yes")[0] == 1, "more would go than stay"
    delivered(container, b"second", b"masked second")
    assert say("orphans", "--yes", "--at-most", "2")[0] == 1
    assert len(list(container.destination_blobs.list())) == 7
    assert say("orphans", "--yes", "--at-most", "3")[1]["removed"] == 3


def test_retention_is_off_until_somebody_sets_it(container: Container, say: Say) -> None:
    """D-05."""
    _outputs(container, 1)
    assert say("retention", "--yes")[0] == 1
    assert len(list(container.destination_blobs.list())) == 2


def test_old_outputs_are_archived_or_deleted_and_receipts_stay(container: Container, say: Say, tmp_path: Path) -> None:
    """D-05: by age, audited, resumable; nobody delivers them again and their absence is no fault."""
    old, older = _outputs(container, 2)
    destination, archive = container.destination_blobs, container.destination_blobs
    rule = Retention(container.catalogue, destination, _Later(container.clock.now(), days=30), "test", days=29)
    assert {asset.asset_id for asset in rule.due()} == {old, older}
    assert Retention(container.catalogue, destination, _Later(container.clock.now(), days=30), "t", days=31).due() == []
    from opendrape.adapters.local_blobs import LocalBlobStore

    archive = LocalBlobStore(tmp_path / "archive")
    rule.take_away(container.catalogue.asset(old), archive)
    rule.take_away(container.catalogue.asset(older))
    assert container.catalogue.asset(old).state is AssetState.ARCHIVED
    assert container.catalogue.asset(older).state is AssetState.DELETED
    assert all(entry.name.endswith(".receipt.json") for entry in destination.list())
    assert [entry.name.split("/")[0] for entry in archive.list()] == [old]
    assert rule.due() == []
    assert say("verify")[0] == 0
    assert [e.actor for e in container.catalogue.audit_events(old) if e.action == "asset.archived"] == ["test"]
    with pytest.raises(IllegalTransition):
        container.catalogue.deliver_again(older, actor="test")


def test_a_removal_that_was_interrupted_is_finished(container: Container) -> None:
    """O-03: the catalogue said deleted, the bytes were still there."""
    (asset_id,) = _outputs(container, 1)
    container.catalogue.retire(asset_id, AssetState.DELETED, actor="test")
    rule = Retention(container.catalogue, container.destination_blobs, container.clock, "test", days=1)
    (due,) = rule.due()
    rule.take_away(due)
    assert rule.due() == []
    with pytest.raises(PermanentError):
        Retention(container.catalogue, container.destination_blobs, container.clock, "test", days=0).due()


def test_only_outputs_with_our_receipt_are_uploaded(settings: Settings, say: Say, tmp_path: Path) -> None:
    """D-05: upload only, from a folder of an earlier run; a dry run changes nothing; an unknown video never leaves."""
    local = settings.model_copy(update={"destination": tmp_path / "earlier", "blobs": type(settings.blobs)()})
    made = bootstrap(local)
    (asset_id,) = _outputs(made, 1)
    made.close()
    (tmp_path / "earlier" / "unmasked.mp4").write_bytes(b"a face")
    stranger = tmp_path / "earlier" / "stranger.receipt.json"
    stranger.write_bytes(b"{}")
    code, planned = say("upload", str(tmp_path / "earlier" / asset_id), "--dry-run")
    if settings.blobs.destination_container:
        assert (code, [one["status"] for one in planned["outputs"]]) == (0, ["would_upload"])
        assert say("list")[0] == 1, "a dry run makes no container"
    code, done = say("upload", str(tmp_path / "earlier"))
    assert code == 1
    assert sorted(one["status"] for one in done["outputs"]) == ["unreadable", "uploaded"]
    assert {blob["name"].split("/")[0] for blob in say("list")[1]["blobs"]} == {asset_id}
    assert [one["status"] for one in say("upload", str(tmp_path / "earlier" / asset_id))[1]["outputs"]] == [
        "there_already"
    ]


class _Later:
    """A clock some days ahead."""

    def __init__(self, now: Any, *, days: int) -> None:
        self._now = now + timedelta(days=days)

    def now(self) -> Any:
        return self._now

    def monotonic(self) -> float:
        return 0.0
