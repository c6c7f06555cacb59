"""Where an answer's ids lead: OpenAPI links from whatever makes or lists a thing to every operation on such a thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_SOURCES: Final = (
    # operation, status, where the id is, the parameter of others that it fits
    ("listVideos", "200", "/videos/0/id", "asset_id"),
    ("retryVideo", "200", "/id", "asset_id"),
    ("listImages", "200", "/images/0/id", "asset_id"),
    ("retryImage", "200", "/id", "asset_id"),
    ("uploadImage", "202", "/id", "upload_id"),
    ("addSegment", "201", "/id", "segment_id"),
    ("listSegments", "200", "/segments/0/id", "segment_id"),
    ("startFrames", "202", "/request_id", "request_id"),
    ("listFrames", "200", "/requests/0/request_id", "request_id"),
    ("uploadVideo", "202", "/id", "upload_id"),
    ("listUploads", "200", "/uploads/0/id", "upload_id"),
    ("createWebhook", "201", "/id", "webhook_id"),
    ("listWebhooks", "200", "/webhooks/0/id", "webhook_id"),
    ("createKey", "201", "/id", "key_id"),
    ("rotateKey", "201", "/id", "key_id"),
)


def link_operations(document: dict[str, Any]) -> None:
    """Add the links to an OpenAPI document, in place."""
    operations = {one["operationId"]: (path, one) for path, of in document["paths"].items() for one in of.values()}
    for source, status, pointer, parameter in _SOURCES:
        path, operation = operations[source]
        # what the source itself was asked with fits its neighbours: a segment's video
        shared = {name: f"$request.path.{name}" for name in _parameters(path)}
        links = operation["responses"][status].setdefault("links", {})
        for target, (target_path, _) in operations.items():
            needed = list(_parameters(target_path))
            if parameter in needed and set(needed) <= {parameter, *shared} and _may_meet(path, target_path):
                known = {name: shared[name] for name in needed if name != parameter}
                links[target] = {
                    "operationId": target,
                    "parameters": known | {parameter: f"$response.body#{pointer}"},
                }


def _may_meet(path: str, other: str) -> bool:
    """What is found under one of the two families of assets is not found under the other."""
    return {_family(path), _family(other)} != {"videos", "images"}


def _family(path: str) -> str:
    return path.split("/")[2] if path.startswith("/api/") else ""


def _parameters(path: str) -> Iterator[str]:
    return (part[1:-1] for part in path.split("/") if part.startswith("{"))
