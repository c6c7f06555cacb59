"""What is written to the log: events with allow-listed fields, and nothing a caller could slip in by accident (P-05).

A field that is not in :data:`FIELDS`, or whose value does not have that field's form, is dropped and counted; nothing
is ever "scrubbed", because a scrubber has to know what an identity looks like. Exceptions are written as class, reason
and place in the code. Their message is written only for an ``OpenDrapeError``, whose messages are clean by rule.
Records of libraries keep their origin and, when they have arguments, their template; the arguments are never filled in.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Protocol, TextIO

import structlog
from structlog.typing import FilteringBoundLogger

from opendrape.errors import OpenDrapeError

Form = Callable[[object], bool]


class _Clean(str):
    """Text that this module made itself; callers cannot produce it, so they cannot write free text."""


def _pattern(expression: str) -> Form:
    compiled = re.compile(expression)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _own_text(value: object) -> bool:
    return isinstance(value, _Clean)


_SLUG = _pattern(r"[a-z][a-z0-9_]{0,47}")
_NAME = _pattern(r"[a-z][a-z0-9-]{0,31}")
_PSEUDONYM = _pattern(r"[as](r|\d{1,6})-[0-9a-hjkmnp-tv-z]{26}")
_DIGEST = _pattern(r"[0-9a-f]{64}")
_HEX_ID = _pattern(r"[0-9a-f]{32}")


def _all(names: str, form: Form) -> dict[str, Form]:
    return dict.fromkeys(names.split(), form)


FIELDS: Final[Mapping[str, Form]] = MappingProxyType(
    _all("kind state reason outcome dependency component check store action stage target mode", _SLUG)
    | _all(
        "item_id chunk chunks attempts epoch slots threads pid port signal exit_code status key_version limit", _number
    )
    | _all("frames masked_frames first_frame last_frame detections tracks findings rounds width height fps", _number)
    | _all("seconds retry_in_seconds progress speed count rows depth size_bytes free_bytes peak_memory_bytes", _number)
    | {
        "asset_id": _PSEUDONYM,
        "subject_id": _PSEUDONYM,
        "policy": _NAME,
        "policy_digest": _DIGEST,
        "model": _pattern(r"[a-z][a-z0-9_.-]{0,63}"),
        "model_sha256": _DIGEST,
        "role": _NAME,
        "owner": _pattern(r"[a-z]{1,16}-[0-9a-f-]{4,40}"),
        "version": _pattern(r"\d{1,4}(\.\d{1,4}){0,3}([a-z+.]\w{0,16})?"),
        "request_id": _HEX_ID,
        "audit_position": _number,
        "audit_head": _DIGEST,
        "method": _pattern(r"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|other"),
        "route": _pattern(r"unmatched|/[a-z0-9_{}/.]{0,96}"),
        "error": _own_text,
        "error_reason": _own_text,
        "error_cause": _own_text,
        "error_location": _own_text,
        "error_message": _own_text,
        "library": _own_text,
        "location": _own_text,
        "template": _own_text,
    }
)
"""Every field a log line can have, with the form its value must have."""

_LIBRARIES = frozenset(
    {"alembic", "asyncio", "concurrent", "fastapi", "libav", "onnxruntime", "py", "sqlalchemy", "starlette", "uvicorn"}
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "exception": 40, "critical": 50}
_Event = MutableMapping[str, Any]


class LogChoice(Protocol):
    """What :func:`configure` needs to know; ``LogSettings`` has this form."""

    @property
    def level(self) -> str: ...

    @property
    def style(self) -> str: ...


class _Output:
    """Where lines go, how they look, and how many fields were dropped on the way."""

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        self.threshold = _LEVELS["info"]
        self.render: Callable[[Any, str, _Event], str | bytes] = structlog.processors.JSONRenderer()
        self.dropped = 0
        self.lock = threading.Lock()

    def msg(self, line: str) -> None:
        stream = self.stream or sys.stderr
        with self.lock:
            stream.write(line + "\n")
            stream.flush()

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


_output = _Output()


def configure(choice: LogChoice, *, stream: TextIO | None = None) -> None:
    """Choose level and style for every logger of this process; ``stream`` None means the present standard error.

    Library loggers are routed into the same lines from ``warning`` upwards. Idempotent; before the first call lines
    are JSON on standard error at level ``info``, through the same allow-list.
    """
    _output.stream = stream
    _output.threshold = _LEVELS[choice.level]
    _output.render = _console(stream) if choice.style == "console" else structlog.processors.JSONRenderer()
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler())
    root.setLevel(max(logging.WARNING, _output.threshold))  # at info SQLAlchemy would echo statements and values


def get_log(component: str) -> FilteringBoundLogger:
    """A logger whose lines carry ``component``. Cheap; may be made at import time, follows :func:`configure` later.

    The event is a slug (``item_finished``), the rest are fields of :data:`FIELDS`.
    """
    log: FilteringBoundLogger = structlog.wrap_logger(
        _output,
        processors=[_above_threshold, structlog.contextvars.merge_contextvars, _allowed, _stamp, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=False,
        component=component,
    )
    return log


def dropped_fields() -> int:
    """How many fields and event names this process has refused to write so far."""
    return _output.dropped


def is_written(level: str) -> bool:
    """True when lines of this level are written; for whoever would make them very often."""
    return _LEVELS[level] >= _output.threshold


def log_uncaught_exceptions() -> None:
    """For entry points: uncaught exceptions of any thread become log lines instead of tracebacks with messages."""
    log = get_log("process")

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("uncaught_exception", exc_info=(kind, error, trace))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical("uncaught_exception_in_thread", exc_info=args.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread


def _console(stream: TextIO | None) -> Callable[[Any, str, _Event], str]:
    return structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty(), pad_event_to=28)


def _above_threshold(_logger: object, method: str, event: _Event) -> _Event:
    if _LEVELS.get(method, logging.CRITICAL) < _output.threshold:
        raise structlog.DropEvent
    return event


def _allowed(_logger: object, method: str, given: _Event) -> _Event:
    """Keep what is allowed, in the order given; count the rest."""
    name, exc_info = given.pop("event", None), given.pop("exc_info", None)
    kept: dict[str, Any] = {"level": "error" if method == "exception" else method}
    dropped = 0
    if _SLUG(name):
        kept["event"] = name
    else:
        kept["event"], dropped = "unnamed_event", 1
    for field, value in (*given.items(), *_error_fields(exc_info).items()):
        if value is None:
            continue
        if field in FIELDS and FIELDS[field](value):
            kept[field] = value
        else:
            dropped += 1
    if dropped:
        kept["dropped"] = dropped
        with _output.lock:
            _output.dropped += dropped
    return kept


_timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _stamp(logger: Any, method: str, event: _Event) -> _Event:
    return _timestamp(logger, method, event)


def _rendered(logger: Any, method: str, event: _Event) -> str:
    line = _output.render(logger, method, event)
    return line if isinstance(line, str) else line.decode()


def _error_fields(exc_info: object) -> dict[str, _Clean]:
    error = _exception(exc_info)
    if error is None:
        return {}
    fields = {"error": type(error).__qualname__, "error_location": _location(error.__traceback__)}
    cause = error.__cause__ or error.__context__
    if cause is not None:
        fields["error_cause"] = type(cause).__qualname__
    if isinstance(error, OpenDrapeError):
        fields["error_reason"] = error.reason if _SLUG(error.reason) else "other"
        fields["error_message"] = " ".join(str(error).split())[:200]
    return {name: _Clean(value) for name, value in fields.items()}


def _exception(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1] if len(exc_info) > 1 else None
    elif exc_info is True:
        exc_info = sys.exc_info()[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def _location(trace: TracebackType | None) -> str:
    """``module:function:line`` of our innermost frame, then of the innermost one: names of code, never of a folder."""
    own, place = "", "unknown"
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "?"))
        place = f"{module}:{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
        own = place if module.startswith("opendrape") else own
        trace = trace.tb_next
    return place if own in ("", place) else f"{own} > {place}"


class _LibraryHandler(logging.Handler):
    """Turns a library's record into one of our events: where it came from, not what it says."""

    def __init__(self) -> None:
        super().__init__()
        self._log = get_log("library")

    def emit(self, record: logging.LogRecord) -> None:
        top = record.name.partition(".")[0]
        fields = {
            "library": _Clean(top if top in _LIBRARIES else "other"),
            "location": _Clean(f"{record.module}:{record.funcName}:{record.lineno}"),
            "template": _template(record) if top in _LIBRARIES else None,
        }
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        self._log.log(level, "library_record", exc_info=record.exc_info, **fields)


def _template(record: logging.LogRecord) -> _Clean | None:
    """The words of a record's format string. A record without arguments may be formatted already: nothing then."""
    if not record.args or not isinstance(record.msg, str):
        return None
    words = [word for word in record.msg.split() if re.fullmatch(r"[A-Za-z%().,:'-]+", word)]
    return _Clean(" ".join(words)[:120])
