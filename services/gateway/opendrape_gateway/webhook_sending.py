"""How an event gets to a receiver: from the outbox, signed, to a pinned address, with retries that end (H-02)."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from opendrape import __version__
from opendrape.domain.pseudonym import is_picture
from opendrape.domain.reasons import REASONS
from opendrape.domain.states import API_NAMES, AssetState
from opendrape.domain.webhooks import Delivery, Endpoint
from opendrape.errors import NotFound, TransientError
from opendrape.logging import get_log
from opendrape.ports.clock import Clock
from opendrape.ports.webhooks import Attempt, Webhooks
from opendrape.settings import WebhookSettings
from opendrape_gateway.outside import Outside, Pinned
from opendrape_gateway.refusal import Refusal
from opendrape_gateway.webhook_secrets import WebhookSecrets

_EVERY_SECONDS: Final = 0.5
_TIDY_SECONDS: Final = 3600.0
_BATCH: Final = 20
_AT_ONCE: Final = 8
_SPREAD: Final = 0.2
_GONE: Final = 410
_log = get_log("gateway")

Post = Callable[[Pinned, Mapping[str, str], bytes, float], int]
"""Sends and returns the status; ``OSError`` or ``http.client.HTTPException`` when there is none."""


def post(pinned: Pinned, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> int:
    """One POST to the pinned address under the receiver's name. Redirects are not followed, no body is read."""
    connection = _Pinned(pinned, timeout_seconds)
    # each read has its time-out; together they have this one, or a receiver that drips would hold us
    watchdog = threading.Timer(2 * timeout_seconds, connection.abort)
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("POST", pinned.target, body=body, headers=dict(headers))
        status = connection.getresponse().status
        if connection.is_aborted:  # headers that were cut off look like all of them
            raise TimeoutError
        return status
    finally:
        watchdog.cancel()
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """Connects to an address that was checked; the certificate and the Host header are the name's."""

    def __init__(self, pinned: Pinned, timeout_seconds: float) -> None:
        super().__init__(pinned.host, pinned.port, timeout=timeout_seconds)
        self._pin, self.is_aborted = pinned, False
        self.default_port = 443 if pinned.is_tls else 80

    def connect(self) -> None:
        """See the base; no second look at the name."""
        self.sock = socket.create_connection((self._pin.address, self._pin.port), self.timeout)
        if self._pin.is_tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._pin.host)

    def abort(self) -> None:
        """Break the connection under whoever waits for it."""
        self.is_aborted = True
        with suppress(OSError):
            if self.sock:
                self.sock.shutdown(socket.SHUT_RDWR)


@dataclass
class WebhookSender:
    """Tells receivers. May run in every replica: a delivery is claimed by one, and comes back when that one dies."""

    webhooks: Webhooks
    keys: WebhookSecrets
    rules: WebhookSettings
    clock: Clock
    outside: Outside
    send: Post = post
    _tidied_at: float | None = field(default=None, init=False)

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop`` is set. What does not answer is waited for; anything else ends the call."""
        while not stop.is_set():
            try:
                self.tick()
            except TransientError as error:
                _log.warning("webhooks_waiting", reason=error.reason)
            stop.wait(_EVERY_SECONDS)

    def tick(self) -> int:
        """Fan events out, send what is due; returns how many attempts were made."""
        while self.webhooks.fan_out(limit=_BATCH):
            pass
        claimed = self.webhooks.claim(limit=_BATCH, hold_seconds=self._hold_seconds)
        if claimed:
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook") as pool:
                list(pool.map(lambda one: self._deliver(*one), claimed))
        now = self.clock.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= _TIDY_SECONDS:
            self._tidied_at = now
            self.webhooks.forget_before(self.clock.now() - timedelta(seconds=self.rules.keep_seconds))
        return len(claimed)

    @property
    def _hold_seconds(self) -> float:
        """A whole batch may time out, one after the other."""
        return 30.0 + _BATCH * 2 * self.rules.timeout_seconds

    def _deliver(self, delivery: Delivery, endpoint: Endpoint) -> None:
        if not endpoint.active:
            self.webhooks.finish(delivery, Attempt(False, None, endpoint.reason, None))
            return
        status, reason = self._post(delivery, endpoint)
        if status == _GONE:
            self._disable(endpoint)
            return
        delivered = status is not None and 200 <= status < 300
        next_at = None
        if not delivered and delivery.attempts < self.rules.max_attempts:
            next_at = self.clock.now() + timedelta(seconds=self._delay(delivery.attempts))
        self.webhooks.finish(delivery, Attempt(delivered, status, None if delivered else reason, next_at))
        _log.info("webhook_sent", outcome="delivered" if delivered else "failed", attempts=delivery.attempts)

    def _post(self, delivery: Delivery, endpoint: Endpoint) -> tuple[int | None, str]:
        body = payload(delivery)
        headers = {"Content-Type": "application/json", "User-Agent": f"opendrape/{__version__}", "Connection": "close"}
        headers |= self.keys.headers(endpoint, message_id=message_id(delivery), body=body, now=self._seconds)
        try:
            pinned = self.outside.pin(endpoint.url)
            return self.send(pinned, headers, body, self.rules.timeout_seconds), "webhook_refused"
        except Refusal as refusal:
            return None, refusal.reason
        except (OSError, http.client.HTTPException):
            return None, "webhook_unreachable"

    def _disable(self, endpoint: Endpoint) -> None:
        try:
            self.webhooks.disable(endpoint.endpoint_id, reason="webhook_gone")
        except NotFound:  # removed meanwhile
            return

    def _delay(self, attempts: int) -> float:
        longest = min(self.rules.longest_retry_seconds, self.rules.first_retry_seconds * 3.0 ** (attempts - 1))
        return longest * (1.0 - _SPREAD + 2 * _SPREAD * secrets.randbelow(1000) / 1000)

    def _seconds(self) -> int:
        return int(self.clock.now().timestamp())


def message_id(delivery: Delivery) -> str:
    """The same for every attempt: receivers tell doubles by it."""
    return f"evt-{delivery.event_id}-{delivery.endpoint_id}"


def payload(delivery: Delivery) -> bytes:
    """Ids, state and reason: nothing about a person. Whoever may know more asks the API."""
    state = state_of(delivery)
    reason = delivery.reason if delivery.reason is None or delivery.reason in REASONS else "other"
    told = {
        "type": event_type(delivery),
        "timestamp": delivery.happened_at.isoformat(),
        "data": {
            kind_of(delivery): delivery.asset_id,
            "state": API_NAMES[state],
            "internal_state": state,
            "reason": reason,
        },
    }
    return json.dumps(told, separators=(",", ":")).encode()


def event_type(delivery: Delivery) -> str:
    """``video.delivered``, ``image.failed`` ...: what the API calls the thing and its state."""
    return f"{kind_of(delivery)}.{API_NAMES[state_of(delivery)]}"


def kind_of(delivery: Delivery) -> str:
    """``video`` or ``image``: its id is looked up under ``/api/videos/`` or ``/api/images/``."""
    return "image" if is_picture(delivery.asset_id) else "video"


def state_of(delivery: Delivery) -> AssetState:
    """The state that was reached."""
    return AssetState(delivery.action.removeprefix("asset."))
