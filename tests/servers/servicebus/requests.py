"""What do ``$cbs`` and ``$management`` answer?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.servers.servicebus import message
from tests.servers.servicebus.codec import Array, Int, Symbol
from tests.servers.servicebus.message import Request
from tests.servers.servicebus.store import Store, Taken


@dataclass
class Faults:
    """What goes wrong until it is set back. ``throttle`` and ``copies`` count down with each send."""

    silent: bool = False
    refuse_renew: bool = False
    refuse_tokens: bool = False
    throttle: int = 0
    duplicate_sends: int = 0
    settle_delay_seconds: float = 0.0


@dataclass(frozen=True)
class Answer:
    """A status as in HTTP, with the AMQP condition of a failure."""

    status: int
    body: Any = None
    condition: str | None = None
    pump: bool = field(default=False, kw_only=True)

    def encoded(self, correlation_id: Any) -> bytes:
        """As a management answer."""
        options: dict[str, Any] = {"statusCode": Int(self.status), "statusDescription": self.condition or "OK"}
        if self.condition is not None:
            options["errorCondition"] = Symbol(self.condition)
        return message.reply(correlation_id, options, self.body)


LOST = Answer(410, condition="com.microsoft:message-lock-lost")
NOT_FOUND = Answer(404, condition="com.microsoft:message-not-found")


def put_token(request: Request, faults: Faults) -> bytes:
    """Any token is good, unless tokens are refused."""
    status, text = (401, "InvalidSignature") if faults.refuse_tokens else (202, "Accepted")
    return message.reply(request.message_id, {"status-code": Int(status), "status-description": text})


def manage(store: Store, faults: Faults, queue: str, request: Request) -> Answer:
    """Do one operation on a queue."""
    operation = str(request.options.get("operation", "")).removeprefix("com.microsoft:")
    act = _OPERATIONS.get(operation)
    if act is None:
        return Answer(400, condition="amqp:not-implemented")
    return act(store, faults, queue, request.body)


def _renew(store: Store, faults: Faults, _queue: str, body: Mapping[str, Any]) -> Answer:
    ends = None if faults.refuse_renew else store.renew(body["lock-tokens"])
    return LOST if ends is None else Answer(200, {"expirations": Array("timestamp", tuple(ends))})


def _settle(store: Store, _faults: Faults, _queue: str, body: Mapping[str, Any]) -> Answer:
    how = body["disposition-status"]
    reason, text = str(body.get("deadletter-reason") or ""), str(body.get("deadletter-description") or "")
    acts: dict[str, Callable[[Any], bool]] = {
        "completed": store.complete,
        "abandoned": store.abandon,
        "defered": store.defer,
        "suspended": lambda token: store.bury(token, reason, text),
    }
    done = [acts[how](token) for token in body["lock-tokens"]]
    return replace(Answer(200), pump=True) if all(done) else LOST


def _schedule(store: Store, _faults: Faults, queue: str, body: Mapping[str, Any]) -> Answer:
    contents = [message.read(one["message"]) for one in body["messages"]]
    return Answer(200, {"sequence-numbers": Array("long", tuple(store.put(queue, contents)))}, pump=True)


def _cancel(store: Store, _faults: Faults, queue: str, body: Mapping[str, Any]) -> Answer:
    return Answer(200) if store.cancel_scheduled(queue, map(int, body["sequence-numbers"])) else NOT_FOUND


def _peek(store: Store, _faults: Faults, queue: str, body: Mapping[str, Any]) -> Answer:
    found = store.peek(queue, body["from-sequence-number"], body["message-count"])
    if not found:
        return Answer(204, condition="com.microsoft:message-not-found")
    return Answer(200, {"messages": [{"message": one} for one in found]})


def _receive(store: Store, _faults: Faults, queue: str, body: Mapping[str, Any]) -> Answer:
    lock = body.get("receiver-settle-mode", 1) == 1
    taken = store.take_deferred(queue, map(int, body["sequence-numbers"]), lock=lock)
    if not taken:
        return NOT_FOUND
    return Answer(200, {"messages": [_with_token(one) for one in taken]})


def _with_token(taken: Taken) -> dict[str, Any]:
    return {"message": taken.encoded, "lock-token": taken.token}


_OPERATIONS: dict[str, Callable[[Store, Faults, str, Any], Answer]] = {
    "renew-lock": _renew,
    "update-disposition": _settle,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive,
}
