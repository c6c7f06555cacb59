"""P-05: a log line carries allow-listed fields and nothing else, whatever a caller or a library hands in."""

from __future__ import annotations

import ast
import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opendrape import logging as opendrape_logging
from opendrape.errors import MediaRefused, StorageUnavailable
from opendrape.logging import FIELDS, configure, dropped_fields, get_log, log_uncaught_exceptions
from opendrape.settings import LogSettings

CANARY = "Zyxwv Patientovich 1981"
ASSET = "ar-" + "0123456789abcdefghjkmnpqrs"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    lines = io.StringIO()
    configure(LogSettings(level="info", style="json"), stream=lines)
    yield lines
    root.handlers, root.level = handlers, level
    configure(LogSettings(), stream=None)
    root.handlers = handlers
    root.setLevel(level)


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_the_allowed_fields(stream: io.StringIO) -> None:
    """P-05: ids, numbers and slugs are written as they are."""
    get_log("masker").info("item_finished", asset_id=ASSET, item_id=7, kind="mask", seconds=1.5)
    (event,) = events(stream)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "info",
        "event": "item_finished",
        "component": "masker",
        "asset_id": ASSET,
        "item_id": 7,
        "kind": "mask",
        "seconds": 1.5,
    }


def test_an_unknown_field_is_dropped_and_counted(stream: io.StringIO) -> None:
    """P-05: a path is not scrubbed, it is not written at all."""
    before = dropped_fields()
    get_log("ingest").info("file_seen", path=f"/data/{CANARY}/op.mp4", original_name=CANARY, count=1)
    (event,) = events(stream)
    assert event["dropped"] == 2
    assert event["count"] == 1
    assert dropped_fields() == before + 2
    assert "Patientovich" not in stream.getvalue()


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_no_field_takes_a_name_or_a_path(stream: io.StringIO, field: str) -> None:
    """P-05: an allowed field with a value of another form is dropped too."""
    for value in (CANARY, f"/data/{CANARY}/op.mp4", "Patientovich, Zyxwv", [CANARY], {"name": CANARY}):
        get_log("ingest").info("file_seen", **{field: value})
    assert "atientovich" not in stream.getvalue()
    assert all(event["dropped"] == 1 for event in events(stream))


def test_a_formatted_event_name_is_not_written(stream: io.StringIO) -> None:
    """P-05: text cannot come in through the event's name, with or without arguments."""
    log = get_log("ingest")
    log.info(f"cannot open {CANARY}")
    log.info("cannot open %s", CANARY)
    assert [event["event"] for event in events(stream)] == ["unnamed_event", "unnamed_event"]
    assert "Patientovich" not in stream.getvalue()


def test_a_foreign_exception_keeps_class_and_place_but_not_its_message(stream: io.StringIO) -> None:
    """P-05: messages of foreign exceptions often carry file names."""
    try:
        Path(f"/nowhere/{CANARY}").read_bytes()
    except OSError:
        get_log("ingest").exception("file_unreadable")
    (event,) = events(stream)
    assert event["level"] == "error"
    assert event["error"] == "FileNotFoundError"
    assert f"{__name__}:test_a_foreign_exception" in event["error_location"] or "pathlib" in event["error_location"]
    assert "Patientovich" not in stream.getvalue()


def test_our_own_error_keeps_reason_and_message_and_the_class_of_its_cause(stream: io.StringIO) -> None:
    """P-05: the message of an OpenDrapeError is clean by rule; that of its cause is not."""
    try:
        try:
            raise ValueError(CANARY)
        except ValueError as cause:
            raise MediaRefused("no video stream", reason="no_video") from cause
    except MediaRefused as error:
        get_log("ingest").warning("item_failed", exc_info=error)
    (event,) = events(stream)
    assert (event["error"], event["error_reason"], event["error_cause"]) == ("MediaRefused", "no_video", "ValueError")
    assert event["error_message"] == "no video stream"
    assert "Patientovich" not in stream.getvalue()


def test_a_reason_that_is_no_slug_becomes_other(stream: io.StringIO) -> None:
    """P-05: a reason built from text is not a reason."""
    get_log("ingest").warning("item_failed", exc_info=StorageUnavailable("full", reason=f"cannot write {CANARY}"))
    assert events(stream)[0]["error_reason"] == "other"


def test_callers_cannot_write_error_text_themselves(stream: io.StringIO) -> None:
    """P-05: free-text fields are filled by the logger only."""
    get_log("ingest").info("odd", error_message="smith", template="smith", library="smith")
    assert "smith" not in stream.getvalue()


def test_library_records_lose_arguments_and_formatted_messages(stream: io.StringIO) -> None:
    """P-05: a query string in a library's message never reaches the log."""
    logging.getLogger("uvicorn.error").warning('%s - "%s" refused', CANARY, f"/api?name={CANARY}")
    logging.getLogger("sqlalchemy.pool").error(f"lost {CANARY}")
    logging.getLogger(f"{CANARY}").error(f"lost {CANARY} %s", CANARY)
    first, second, third = events(stream)
    assert (first["library"], first["template"]) == ("uvicorn", "%s - refused")
    assert second["library"] == "sqlalchemy"
    assert "template" not in second
    assert (third["library"], "template" in third) == ("other", False)
    assert "Patientovich" not in stream.getvalue()


def test_library_exceptions_lose_their_message(stream: io.StringIO) -> None:
    """P-05: a traceback logged by a library becomes class and place."""
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (event,) = events(stream)
    assert event["error"] == "ValueError"
    assert "Patientovich" not in stream.getvalue()


def test_libraries_stay_silent_below_warning(stream: io.StringIO) -> None:
    """P-05: at info SQLAlchemy would write statements with their values."""
    logging.getLogger("sqlalchemy.engine").info("SELECT %s", CANARY)
    assert not logging.getLogger("sqlalchemy.engine").isEnabledFor(logging.INFO)
    assert stream.getvalue() == ""


def test_levels_below_the_chosen_one_are_not_written(stream: io.StringIO) -> None:
    """The level of the settings decides, also for loggers made before."""
    log = get_log("masker")
    log.debug("too_fine")
    configure(LogSettings(level="error", style="json"), stream=stream)
    log.warning("not_bad_enough")
    log.error("bad")
    assert [event["event"] for event in events(stream)] == ["bad"]


def test_the_console_style_obeys_the_same_list() -> None:
    """P-05: the style changes how a line looks, not what it says."""
    lines = io.StringIO()
    configure(LogSettings(style="console"), stream=lines)
    try:
        get_log("masker").info("item_finished", item_id=7, path=CANARY)
    finally:
        configure(LogSettings(), stream=None)
    assert "item_finished" in lines.getvalue()
    assert "item_id=7" in lines.getvalue()
    assert "Patientovich" not in lines.getvalue()


def test_before_configuration_the_list_holds_too(capsys: pytest.CaptureFixture[str]) -> None:
    """P-05: a process that forgot to configure logging does not fall back to a default that writes everything."""
    get_log("child").warning("started", path=CANARY, pid=3)
    written = capsys.readouterr().err
    assert "started" in written
    assert "Patientovich" not in written


def test_uncaught_exceptions_lose_their_message(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-05: neither the main thread nor another one prints a traceback with a message."""
    import sys

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_uncaught_exceptions()
    error = ValueError(CANARY)
    sys.excepthook(ValueError, error, None)
    thread = threading.Thread(target=lambda: int(CANARY))
    thread.start()
    thread.join()
    first, second = events(stream)
    assert (first["event"], second["event"]) == ("uncaught_exception", "uncaught_exception_in_thread")
    assert second["error"] == "ValueError"
    assert "Patientovich" not in stream.getvalue()


def test_configure_takes_any_object_of_the_right_form(stream: io.StringIO) -> None:
    """The module does not depend on the settings."""
    configure(SimpleNamespace(level="warning", style="json"), stream=stream)
    get_log("x").info("quiet")
    assert stream.getvalue() == ""


def _log_calls() -> Iterator[tuple[str, ast.Call]]:
    sources = [*(ROOT / "core").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    for path in sources:
        source = path.read_text()
        if path.samefile(opendrape_logging.__file__) or path.name == "events.py":
            continue  # events.py only passes on what the ledger's calls of on_event give it, and those are looked at
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value).rpartition(".")[2].strip("_").lower()
                is_log_call = owner == "log" and node.func.attr in opendrape_logging._LEVELS
                if is_log_call or (path.parent.name == "ledger" and node.func.attr == "_on_event"):
                    yield f"{path.name}:{node.lineno}", node


def _keys(arguments: list[ast.expr]) -> list[str]:
    """Literal keys of every dict in the arguments: ``on_event(event, about(lease) | {"reason": …})``."""
    dicts = [node for argument in arguments for node in ast.walk(argument) if isinstance(node, ast.Dict)]
    return [key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)]


def test_every_call_in_the_code_uses_a_literal_event_and_known_fields() -> None:
    """P-05: what would be dropped at run time is found here first."""
    wrong = []
    for place, call in _log_calls():
        event = call.args[0] if call.args else None
        literal = isinstance(event, ast.Constant) and opendrape_logging._SLUG(event.value)
        fields = [word.arg for word in call.keywords if word.arg] + _keys(call.args[1:])
        unknown = [field for field in fields if field not in FIELDS and field != "exc_info"]
        if not (literal or isinstance(event, ast.Name)) or unknown:
            wrong.append(f"{place} {'event is no slug' if not literal else unknown}")
    assert not wrong
