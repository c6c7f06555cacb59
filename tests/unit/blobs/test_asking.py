"""D-04: how often, how soon and after which answers is a request repeated?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from opendrape.adapters.azure_blobs.answers import reason_of
from opendrape.adapters.azure_blobs.asking import Asker
from opendrape.adapters.azure_blobs.tuning import MOST_BLOCKS, Tuning, block_bytes

TUNING = Tuning(attempts=5, first_delay_seconds=1, longest_delay_seconds=4, request_seconds=0.05)


def refused(status: int, *, code: str = "", **headers: str) -> HttpResponseError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response: Any = SimpleNamespace(
        status_code=status, reason="", headers={"x-ms-error-code": code} | named, content_type=""
    )
    return HttpResponseError(message="https://account/Anna", response=response)


def ask(*answers: BaseException | str) -> tuple[str | BaseException, list[float], int]:
    """What came of it, the pauses, and how often was asked."""
    waiting, pauses = list(answers), []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def request() -> str:
        answer = waiting.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    asker = Asker(TUNING, sleep=sleep)
    try:
        outcome: str | BaseException = asyncio.run(_asked(asker, request))
    except AzureError as error:
        outcome = error
    return outcome, pauses, asker.asked


async def _asked(asker: Asker, request: Callable[[], Awaitable[str]]) -> str:
    return await asker(request)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again_with_growing_jittered_pauses(status: int) -> None:
    outcome, pauses, asked = ask(*[refused(status)] * 4, "done")
    assert (outcome, asked) == ("done", 5)
    assert all(longest / 2 <= pause <= longest for pause, longest in zip(pauses, [1, 2, 4, 4], strict=True))


def test_attempts_are_counted() -> None:
    outcome, _, asked = ask(*[ServiceRequestError("no route")] * 9)
    assert isinstance(outcome, ServiceRequestError)
    assert asked == TUNING.attempts


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 416])
def test_a_refusal_is_an_answer(status: int) -> None:
    outcome, pauses, asked = ask(refused(status), "done")
    assert isinstance(outcome, HttpResponseError)
    assert (pauses, asked) == ([], 1)


def test_bytes_damaged_on_the_way_are_sent_again() -> None:
    """D-02."""
    assert ask(refused(400, code="Md5Mismatch"), "done")[0] == "done"


def test_a_good_answer_that_breaks_off_is_asked_for_again() -> None:
    assert ask(refused(206), "done")[0] == "done"


def test_the_server_says_when() -> None:
    """D-04: Retry-After is kept; one beyond our patience ends the request, and the work item waits instead."""
    assert ask(refused(503, retry_after="3"), "done")[1] == [3.0]
    assert ask(refused(503, x_ms_retry_after_ms="2500"), "done")[1] == [2.5]
    outcome, pauses, asked = ask(refused(503, retry_after="3600"), "done")
    assert isinstance(outcome, HttpResponseError)
    assert (pauses, asked) == ([], 1)


def test_a_request_without_an_answer_is_given_up() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return ""

    async def sleep(_seconds: float) -> None:
        return

    asker = Asker(TUNING, sleep=sleep)
    with pytest.raises(TimeoutError):
        asyncio.run(_asked(asker, never))
    assert asker.asked == TUNING.attempts


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(403), "storage_denied"),
        (refused(409), "storage_refused"),
        (refused(503), "storage_busy"),
        (refused(418), "storage_unavailable"),
        (refused(404, code="ContainerNotFound"), "container_missing"),
        (ServiceRequestError("x"), "storage_unreachable"),
        (TimeoutError(), "timed_out"),
        (OSError(5, "x"), "input_output_error"),
    ],
)
def test_every_error_has_a_reason_from_the_list(error: BaseException, reason: str) -> None:
    """House style 10."""
    from opendrape.domain.reasons import REASONS

    assert reason_of(error) == reason
    assert reason in REASONS


def test_blocks_grow_only_for_files_that_would_have_too_many() -> None:
    """D-01: any file size."""
    assert block_bytes(10**9, Tuning()) == Tuning().block_bytes
    huge = 4 * 10**12
    assert -(-huge // block_bytes(huge, Tuning())) <= MOST_BLOCKS
