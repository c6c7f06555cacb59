"""What does an answer of the service mean: ask again, nothing there, somebody was first, or an error of ours?"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from azure.core.exceptions import AzureError, HttpResponseError, IncompleteReadError, ServiceRequestError

_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
NETWORK_ERRORS: Final = (AzureError, TimeoutError, OSError)
"""Everything that a request can raise."""

_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
_DAMAGED_ON_THE_WAY: Final = frozenset({"Md5Mismatch", "Crc64Mismatch", "InvalidMd5", "InvalidXmlDocument"})
_REASONS: Final = MappingProxyType(
    {401: "storage_denied", 403: "storage_denied", 409: "storage_refused", 412: "blob_changed"}
    | {429: "storage_busy", 503: "storage_busy", 507: "disk_full"}
)


class Short(IncompleteReadError):
    """Fewer bytes came than were asked for."""


def status(error: BaseException) -> int:
    """The HTTP status of a refusal; 0 when there was no answer, or a good one that broke off."""
    found = error.status_code if isinstance(error, HttpResponseError) else None
    return found if found and found >= 400 else 0


def code(error: BaseException) -> str:
    """The service's own word for what is wrong, empty when it said none."""
    said = getattr(error, "error_code", None)
    said = said or _headers(error).get("x-ms-error-code")
    return str(getattr(said, "value", said) or "")


def _headers(error: BaseException) -> Mapping[str, str]:
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    return headers


def is_worth_repeating(error: BaseException) -> bool:
    """True when the same request may succeed in a moment. A refusal (401, 403, 404, 409, 412) is an answer."""
    if status(error):
        return status(error) in _AGAIN or code(error) in _DAMAGED_ON_THE_WAY
    return isinstance(error, NETWORK_ERRORS)


def seconds_asked_for(error: BaseException) -> float:
    """``Retry-After`` of the answer, in seconds; 0 when it has none."""
    headers = _headers(error)
    milliseconds = headers.get("retry-after-ms") or headers.get("x-ms-retry-after-ms")
    try:
        return float(milliseconds) / 1000 if milliseconds else float(headers.get("retry-after") or 0)
    except ValueError:
        return 0.0


def reason_of(error: BaseException) -> str:
    """A bounded reason: the error's own text names addresses and blobs."""
    if code(error) == "ContainerNotFound":
        return "container_missing"
    if status(error):
        return _REASONS.get(status(error), "storage_unavailable")
    if isinstance(error, TimeoutError):
        return "timed_out"
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return "disk_full"  # where a copy was written to, here
    return "storage_unreachable" if isinstance(error, (ServiceRequestError, AzureError)) else "input_output_error"
