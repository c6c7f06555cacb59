"""O-01: all services in one process, with one owner per state folder, and nothing left of a killed predecessor."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opendrape.bootstrap import Container, bootstrap
from opendrape.embedded import compose, embedded
from opendrape.errors import ConfigurationError
from opendrape.serving.threads import Services
from opendrape.settings import Settings
from opendrape.state_folder import empty_folder, sole_owner


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", destination=tmp_path / "out")


class Lives:
    """Runs until told to stop."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.stopped = False

    def run(self, stop: threading.Event) -> None:
        self.started.set()
        stop.wait()
        self.stopped = True


class Dies:
    """Ends with an error that no worker should end with."""

    def run(self, stop: threading.Event) -> None:
        raise ZeroDivisionError


def until_told(services: Services) -> None:
    """As a command does: look again and again whether somebody died."""
    for _ in range(1000):
        services.check()
        services.pause(0.01)


class NoCatalogue:
    """A catalogue with work for ever."""

    def open_items(self) -> int:
        return 1


def container_with(settings: Settings, notices: list[str]) -> Container:
    return bootstrap(settings, notice=notices.append)


def test_the_container_is_built_from_settings_alone(settings: Settings) -> None:
    """O-01: SQLite, folders and key files, no server; the state folder and its keys are the owner's only (P-04)."""
    notices: list[str] = []
    container = container_with(settings, notices)
    with container.resources:
        container.catalogue.check()
        container.key_map.check()
        container.destination_blobs.check()
        assert container.policies.get("faces").name == "faces"
        intakes = {"RegistrationIntake", "UploadIntake"}
        working = intakes | {"Caretaker", "Tidier", "FrameCleaner", "Presence", "Worker"}
        assert {type(one).__name__ for one in compose(container)} == working
    assert settings.state_dir.stat().st_mode & 0o777 == 0o700
    assert settings.map_key_path.stat().st_mode & 0o777 == 0o600
    assert settings.receipt_key_path.stat().st_mode & 0o777 == 0o600
    assert len(notices) == 1, "a new key of the map is told once; the audit's when somebody seals"
    again: list[str] = []
    container_with(settings, again).close()
    assert again == []


def test_closing_twice_does_nothing(settings: Settings) -> None:
    container = container_with(settings, [])
    container.close()
    container.close()


def test_a_state_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError):
        bootstrap(Settings(state_dir=tmp_path / "file" / "state"))


def test_all_services_end_together(settings: Settings) -> None:
    """O-01, C-02: leaving the context stops every thread."""
    container, life = container_with(settings, []), Lives()
    with container.resources:
        with embedded(container, life) as services:
            assert life.started.wait(10)
            services.check()
            assert services.is_idle()
        assert life.stopped


def test_scratch_of_a_killed_process_is_emptied(settings: Settings) -> None:
    """C-02: what a killed child left is never used, partial blobs neither; visible blobs stay."""
    container = container_with(settings, [])
    left = settings.scratch_dir / "0a1b" / "half.mp4"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    (settings.destination / ".tmp-0123456789abcdef").write_text("half")
    container.destination_blobs.put_bytes("whole.mp4", b"whole")
    with container.resources, embedded(container):
        assert list(settings.scratch_dir.iterdir()) == []
        assert [path.name for path in settings.destination.iterdir()] == ["whole.mp4"]


def test_emptying_never_follows_a_link(tmp_path: Path) -> None:
    """A link in scratch is removed, what it points to stays."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "film.mp4").write_text("x")
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "link").symlink_to(tmp_path / "precious", target_is_directory=True)
    empty_folder(tmp_path / "scratch")
    assert (tmp_path / "precious" / "film.mp4").exists()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_second_owner_is_refused_with_a_clear_error(tmp_path: Path) -> None:
    """O-01: two processes would empty each other's scratch."""
    with sole_owner(tmp_path):
        with pytest.raises(ConfigurationError, match="another opendrape process") as caught:
            with sole_owner(tmp_path):
                pass
    assert caught.value.reason == "state_in_use"
    with sole_owner(tmp_path):
        pass


def test_the_lock_of_a_killed_owner_is_free(tmp_path: Path) -> None:
    """C-02: after kill -9 the next run starts at once."""
    hold = (
        "import sys, pathlib\n"
        "from opendrape.state_folder import sole_owner\n"
        "with sole_owner(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError), sole_owner(tmp_path):
            pass
        owner.kill()
        owner.wait()
        with sole_owner(tmp_path):
            pass


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    """C-02: a child that outlives its killed parent must not keep the folder locked."""
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with sole_owner(tmp_path):
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert child.stdout is not None
        child.stdout.readline()  # the parent may go on a moment before the kernel closes the child's copies
    with child, (tmp_path / "embedded.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        child.kill()


def test_a_thread_that_dies_is_told_and_stops_the_others() -> None:
    """A run must not wait for ever for a worker that is gone."""
    life = Lives()
    services = Services(NoCatalogue(), [life, Dies()])  # type: ignore[arg-type]
    services.start()
    with pytest.raises(ZeroDivisionError):
        until_told(services)
    services.stop()
    assert life.stopped


def test_a_thread_that_ends_without_a_word_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: found by faults in the thread's own first call: nobody was told, and a run waited for ever."""
    monkeypatch.setattr(Services, "_live", lambda self, runnable: None)
    services = Services(NoCatalogue(), [Lives()])  # type: ignore[arg-type]
    services.start()
    with pytest.raises(RuntimeError, match="without a word"):
        until_told(services)
    services.stop()
