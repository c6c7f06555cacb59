"""H-02: webhooks to a real receiver on loopback: signed, pinned, retried, shown; and where they must never go."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opendrape.domain.webhooks import DeliveryState
from opendrape_gateway.composition import build_webhook_sender
from opendrape_gateway.outside import Outside
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.webhook_sending import WebhookSender
from tests.fakes.clock import FakeClock
from tests.fakes.door import app_for
from tests.fakes.gateway import ask, asset_id, gateway_container, picture_id, register

LOOPBACK = {"allow_networks": ("127.0.0.0/8",), "allow_http": True, "timeout_seconds": 1.0}


@dataclass
class Receiver:
    """What a hospital's system would be: keeps what it got, answers as told."""

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    drips: bool = False
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({name.lower(): text for name, text in self.headers.items()}, body))
            if receiver.drips:
                self._drip()
                return
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
            for name, text in receiver.headers.items():
                self.send_header(name, text)
            self.end_headers()

        def _drip(self) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for number in range(1000):
                    self.wfile.write(f"X-{number}: slow\r\n".encode())
                    threading.Event().wait(0.2)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join(5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Any]:
    with gateway_container(tmp_path, webhooks=LOOPBACK | {"max_attempts": 3}) as made:
        yield made


@pytest.fixture
def app(container: Any) -> Any:
    return app_for(container)


def add(app: Any, url: str, who: str = "chief") -> dict[str, Any]:
    answer = ask(app, "/api/webhooks/", method="POST", json={"url": url}, headers={"X-Test-Caller": who})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def deliveries(app: Any, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(app, f"/api/webhooks/{webhook['id']}/deliveries/").json()["deliveries"]
    return found


def at_once(container: Any) -> WebhookSender:
    """A sender whose retries are due at once."""
    sender = build_webhook_sender(container)
    rules = sender.rules.model_copy(update={"first_retry_seconds": 1e-9, "longest_retry_seconds": 1e-9})
    sender.rules = rules
    return sender


def test_an_event_arrives_signed_as_the_standard_says(app: Any, container: Any, receiver: Receiver) -> None:
    """H-02: id, timestamp and a v1 signature that a receiver can compute from its secret; ids and states only."""
    webhook = add(app, receiver.url)
    register(container.catalogue, 1, subject="sr-1")
    assert build_webhook_sender(container).tick() == 1
    [(headers, body)] = receiver.got
    secret = base64.b64decode(webhook["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    told = json.loads(body)
    assert told["type"] == "video.pending"
    assert told["data"] == {
        "video": asset_id(1),
        "state": "pending",
        "internal_state": "registered",
        "reason": None,
    }
    assert "sr-1" not in body.decode()
    [shown] = deliveries(app, webhook)
    assert (shown["id"], shown["state"], shown["attempts"]) == (headers["webhook-id"], "delivered", 1)
    assert ask(app, f"/api/webhooks/{webhook['id']}/").json()["secret"] is None


def test_an_event_of_a_picture_says_so(app: Any, container: Any, receiver: Receiver) -> None:
    """H-02: its id is looked up under /api/images/, where a video's would not be found."""
    webhook = add(app, receiver.url)
    register(container.catalogue, 1, name=picture_id)
    assert build_webhook_sender(container).tick() == 1
    [(_, body)] = receiver.got
    told = json.loads(body)
    assert told["type"] == "image.pending"
    assert told["data"]["image"] == picture_id(1)
    assert "video" not in told["data"]
    assert ask(app, f"/api/images/{told['data']['image']}/").status_code == 200
    [shown] = deliveries(app, webhook)
    assert (shown["type"], shown["image"], shown["video"]) == ("image.pending", picture_id(1), None)


def test_what_was_refused_is_told_again_under_the_same_id_until_it_is_not(
    app: Any, container: Any, receiver: Receiver
) -> None:
    """H-02: 500, 500, 204; and after as many attempts as allowed it fails."""
    webhook = add(app, receiver.url)
    receiver.statuses = [500, 302, 204, 500, 500, 500]
    receiver.headers = {"Location": "http://127.0.0.1:9/elsewhere"}
    for number in (1, 2):
        register(container.catalogue, number)
        while at_once(container).tick():
            pass
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert ids == [ids[0]] * 3 + [ids[3]] * 3
    assert [(d["state"], d["attempts"], d["last_status"]) for d in deliveries(app, webhook)] == [
        ("failed", 3, 500),
        ("delivered", 3, 204),
    ]


def test_waits_grow_threefold_with_jitter_up_to_a_limit(app: Any, container: Any, receiver: Receiver) -> None:
    """H-02: seconds first, hours at last."""
    clock = FakeClock()
    sender = build_webhook_sender(container)
    sender.clock = clock
    sender.rules = sender.rules.model_copy(update={"first_retry_seconds": 5.0, "longest_retry_seconds": 100.0})
    waits = [sender._delay(attempts) for attempts in (1, 2, 3, 4, 9) for _ in range(50)]
    for number, middle in enumerate((5.0, 15.0, 45.0, 100.0, 100.0)):
        some = waits[number * 50 : number * 50 + 50]
        assert 0.8 * middle <= min(some) < max(some) <= 1.2 * middle


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(app: Any, container: Any, receiver: Receiver) -> None:
    """H-02: 410 disables the endpoint, with its reason."""
    webhook = add(app, receiver.url)
    receiver.statuses = [410]
    register(container.catalogue, 1)
    build_webhook_sender(container).tick()
    register(container.catalogue, 2)
    build_webhook_sender(container).tick()
    assert len(receiver.got) == 1
    shown = ask(app, f"/api/webhooks/{webhook['id']}/").json()
    assert (shown["active"], shown["reason"]) == (False, "webhook_gone")


def test_a_receiver_that_drips_is_cut_off(app: Any, container: Any, receiver: Receiver) -> None:
    """H-08: each byte in time, all of it never: two time-outs and no more."""
    webhook = add(app, receiver.url)
    receiver.drips = True
    register(container.catalogue, 1)
    begun = time.monotonic()
    build_webhook_sender(container).tick()
    assert time.monotonic() - begun < 10
    [shown] = deliveries(app, webhook)
    assert (shown["state"], shown["last_status"], shown["last_reason"]) == ("pending", None, "webhook_unreachable")


def test_nobody_listening_is_a_reason_and_a_later_attempt(app: Any, container: Any) -> None:
    """H-02: it waits for its time."""
    with receiving() as closed:
        url = closed.url
    webhook = add(app, url)
    register(container.catalogue, 1)
    sender = build_webhook_sender(container)
    assert [sender.tick(), sender.tick()] == [1, 0]
    [shown] = deliveries(app, webhook)
    assert (shown["state"], shown["last_reason"]) == (DeliveryState.PENDING, "webhook_unreachable")
    assert shown["next_attempt_at"] > shown["last_at"]


def test_webhooks_of_somebody_else_are_not_there(app: Any, container: Any, receiver: Receiver) -> None:
    """H-05: 404 for every method; a user is told of own videos only."""
    webhook, hers = add(app, receiver.url, "anna"), {"X-Test-Caller": "berta"}
    url = f"/api/webhooks/{webhook['id']}/"
    calls = [("GET", url), ("PATCH", url), ("DELETE", url), ("GET", f"{url}deliveries/")]
    answers = [
        ask(app, path, method=method, headers=hers, json={} if method == "PATCH" else None) for method, path in calls
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert ask(app, "/api/webhooks/", headers=hers).json() == {"webhooks": []}
    assert webhook["all_videos"] is False
    register(container.catalogue, 1)
    assert build_webhook_sender(container).tick() == 0


def test_a_webhook_is_changed_and_removed(app: Any, container: Any, receiver: Receiver) -> None:
    """H-02: a new secret signs from then on."""
    webhook = add(app, receiver.url)
    url = f"/api/webhooks/{webhook['id']}/"
    changed = ask(app, url, method="PATCH", json={"new_secret": True}).json()
    assert changed["secret"] not in (None, webhook["secret"])
    assert ask(app, url, method="PATCH", json={"active": False}).json()["active"] is False
    register(container.catalogue, 1)
    assert build_webhook_sender(container).tick() == 0
    assert ask(app, url, method="DELETE").status_code == 204
    assert ask(app, url).status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://10.0.0.5/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://0.0.0.0/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://224.0.0.1/x",
        "https://user:secret@example.org/x",
        "https://example.org/x#y",
        "https://exa mple.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https:///nothing",
        "nothing",
    ],
)
def test_an_address_that_only_we_can_reach_is_refused(url: str) -> None:
    """API7: without settings, public https only; by form, before anybody asks a name server."""
    with pytest.raises(Refusal) as caught:
        Outside((), False).check_form(url)
    assert (caught.value.status, caught.value.reason) == (422, "webhook_address")


@pytest.mark.parametrize("found", [["10.1.2.3"], ["93.184.216.34", "127.0.0.1"], ["fe80::1%eth0"], []])
def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(found: list[str]) -> None:
    """API7: every address that the name has must be outside."""
    with pytest.raises(Refusal):
        Outside((), False, resolve=lambda _host, _port: found).pin("https://example.org/x")


def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    """API7: the name is asked once; a second answer (DNS rebinding) is never heard."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    pinned = Outside((), False, resolve=lambda _host, _port: next(answers)).pin("https://example.org/a?b=c")
    assert (pinned.address, pinned.host, pinned.port, pinned.target) == ("93.184.216.34", "example.org", 443, "/a?b=c")
    assert Outside(("10.1.2.0/24",), False, resolve=lambda *_: ["10.1.2.3"]).pin("https://a.b/").address == "10.1.2.3"
    assert next(answers) == ["127.0.0.1"]


def test_a_refused_address_is_not_repeated_in_the_answer(app: Any) -> None:
    """P-05: no echo."""
    answer = ask(app, "/api/webhooks/", method="POST", json={"url": "https://patientovich@example.org/"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "webhook_address")
    assert "patientovich" not in answer.text
