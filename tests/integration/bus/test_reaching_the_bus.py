"""C-06, O-03: a bus is reached by connection string or identity, asked for its health, and survived when it is away."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken

from opendrape.adapters.in_process_doorbell import InProcessDoorbell
from opendrape.adapters.service_bus import BusClient, ServiceBusDoorbell
from opendrape.bootstrap import bootstrap
from opendrape.domain.work import WorkKind
from opendrape.errors import BusUnavailable, ConfigurationError
from opendrape.settings import BusSettings, Settings
from tests.servers.bus_fixture import QUICK, Namespace, broker, forgives_the_sdk, namespace, tidy
from tests.servers.process import free_port
from tests.servers.servicebus.message import DATA, read, section

__all__ = ["broker", "namespace", "tidy"]

pytestmark = [forgives_the_sdk, pytest.mark.usefixtures("tidy")]


class _Identity:
    """A workload's identity that hands out one token, as ``azure.identity.aio`` does."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_more: object) -> AccessToken:
        self.scopes += scopes
        return AccessToken("token", int(time.time()) + 3600)

    async def close(self) -> None:
        return


def test_a_workload_identity_reaches_the_bus(namespace: Namespace) -> None:
    identity, port = _Identity(), namespace.broker.call(lambda broker: broker.port)
    settings = BusSettings(namespace=f"127.0.0.1:{port}", queue_prefix=namespace.prefix)
    bell = ServiceBusDoorbell(BusClient(settings, credential=identity, options=QUICK | {"use_tls": False}))
    try:
        bell.ring(WorkKind.MASK, 7)
        assert bell.wait([WorkKind.MASK], 20.0)
        assert identity.scopes
    finally:
        bell.close()


def test_health_is_asked_really_and_bounded(namespace: Namespace) -> None:
    with namespace.doorbell() as bell:
        for _ in range(2):
            bell.check()
        namespace.broker.call(lambda broker: broker.go_silent())
        try:
            for _ in range(2):
                start = time.monotonic()
                with pytest.raises(BusUnavailable):
                    bell.check()
                assert time.monotonic() - start < 5.0
        finally:
            namespace.broker.call(lambda broker: broker.go_silent(False))
        bell.check()


def test_a_link_that_died_in_silence_is_found_out_and_opened_again(
    namespace: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dead link looks like an empty queue: nothing comes, and nothing says why."""
    bell = ServiceBusDoorbell(BusClient(namespace.settings(), options=QUICK), doubt_seconds=1.0)
    try:
        bell.ring(WorkKind.MASK, 7)
        assert bell.wait([WorkKind.MASK], 20.0)
        namespace.broker.call(lambda broker: broker.go_silent())
        said = ""
        while "bus_silent" not in said:
            assert bell.hold([WorkKind.MASK], 1.0) is None
            said += capsys.readouterr().err
        namespace.broker.call(lambda broker: broker.go_silent(False))
        queue = namespace.queue(WorkKind.MASK)
        body = b'{"version": 1, "item_id": 8, "kind": "mask"}'
        namespace.broker.call(lambda broker: (broker.store.put(queue, [read(section(DATA, body))]), broker.pump()))
        assert bell.wait([WorkKind.MASK], 40.0)
    finally:
        namespace.broker.call(lambda broker: broker.go_silent(False))
        bell.close()


def test_a_missing_queue_and_a_refused_credential_are_named(namespace: Namespace) -> None:
    namespace.prefix = "nobody-made-"
    with namespace.doorbell() as bell, pytest.raises(BusUnavailable) as missing:
        bell.check()
    assert missing.value.reason == "bus_queue_missing"


def test_a_bus_that_is_away_fails_fast_after_the_first_time() -> None:
    """A worker must not wait for a dead bus after each item."""
    address = (
        f"Endpoint=sb://127.0.0.1:{free_port()};SharedAccessKeyName=a;SharedAccessKey=YQ==;UseDevelopmentEmulator=true"
    )
    bell = ServiceBusDoorbell(BusClient(BusSettings(connection_string=address), options=QUICK))
    try:
        with pytest.raises(BusUnavailable):
            bell.ring(WorkKind.MASK, 7)
        start = time.monotonic()
        with pytest.raises(BusUnavailable):
            bell.ring(WorkKind.MASK, 7)
        assert bell.hold([WorkKind.MASK], 0.0) is None
        assert time.monotonic() - start < 1.0
    finally:
        bell.close()


def test_an_address_that_is_none_is_a_configuration_error() -> None:
    bell = ServiceBusDoorbell(BusClient(BusSettings(connection_string="nonsense")))
    try:
        with pytest.raises(ConfigurationError):
            bell.ring(WorkKind.MASK, 7)
    finally:
        bell.close()


def test_one_machine_has_no_bus_and_never_loads_the_sdk(tmp_path: Path) -> None:
    container = bootstrap(Settings(state_dir=tmp_path / "state", destination=tmp_path / "out"))
    with container.resources:
        assert isinstance(container.doorbell, InProcessDoorbell)
        container.doorbell.check()
    code = (
        "import sys, opendrape.bootstrap, opendrape.adapters.service_bus; sys.exit('azure.servicebus' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_connection_string_is_never_shown() -> None:
    """P-05."""
    assert "abc" not in repr(Settings(bus=BusSettings(connection_string="SharedAccessKey=abc")))
