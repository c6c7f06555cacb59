"""What is a catalogue like after years of work: one journey as it really goes, a hundred thousand written at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text

from opendrape.domain.frames import ChosenSegment, NewFrames
from opendrape.domain.policy import PolicyRef
from opendrape.domain.timeline import FrameSpan
from opendrape.domain.work import WorkKind
from opendrape.ports.catalogue import NewAsset
from tests.fakes.catalogue import media, outcome

VIDEOS: Final = 100_000
ITEMS_EACH: Final = 10
PATIENTS: Final = 5000
WALKED: Final = "ar-" + "9" * 26
"""A video that went the whole way through the catalogue's own calls; anna's."""

WALKED_FRAMES: Final = "00000000-0000-4000-8000-000000000000"
_DIGEST = "f" * 64


@dataclass(frozen=True)
class Amounts:
    """How much is written; ``items`` are pieces of videos."""

    videos: int = VIDEOS

    @property
    def items(self) -> int:
        return self.videos * ITEMS_EACH


def video_id(number: int) -> str:
    """Ids sort like their numbers."""
    return f"ar-{number:026d}"


def request_id(number: int) -> str:
    """Of a request for frames."""
    return f"10000000-0000-4000-8000-{number:012d}"


def webhook_id(number: int) -> str:
    """Of an endpoint."""
    return f"wh-{number:032d}"


def walk(container: Any) -> None:
    """One video and one request for frames, from beginning to end."""
    policy = container.policies.get("faces")
    container.policies.remember(policy)
    container.catalogue.register(NewAsset(WALKED, None, "e" * 64, 1000, policy.reference), actor="benchmark")
    container.door.owners.add(WALKED, "anna")
    segment = container.segments.add(WALKED, label="stage", span=FrameSpan(0, 10), actor="anna")
    _work(container)
    chosen = ChosenSegment(segment.segment_id, segment.span)
    wish = NewFrames(WALKED_FRAMES, "anna", WALKED, policy.reference, "jpg", (chosen,))
    container.frames.start(wish, limit=5, actor="anna")


def _work(container: Any) -> None:
    kinds = [kind for kind in WorkKind if kind is not WorkKind.FRAMES]
    while lease := container.catalogue.claim(kinds, owner="benchmark", lease_seconds=600.0):
        container.catalogue.complete(lease, outcome(lease, chunks=ITEMS_EACH))


def fill(container: Any, amounts: Amounts = Amounts()) -> None:
    """Put everything in, in the database's own language; every second video is anna's."""
    database, policy = container.catalogue.database, container.policies.get("faces").reference
    words = _words(database.engine.dialect.name, policy)
    with database.write() as connection:
        for statement in FILLING:
            connection.execute(
                text(statement.format(**words)), {"videos": amounts.videos, "items": amounts.items, **_bodies()}
            )
    if database.engine.dialect.name == "postgresql":  # does it by itself now and then; SQLite never does
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def _bodies() -> dict[str, str]:
    return {"media": json.dumps(media(ITEMS_EACH).model_dump(mode="json"))}


def _words(dialect: str, policy: PolicyRef) -> dict[str, str]:
    """What the two databases write in different ways."""
    is_sqlite = dialect == "sqlite"
    padded = "printf('%0{width}d', {number})" if is_sqlite else "lpad(({number})::text, {width}, '0')"
    moment = "2026-11-01 00:00:00.000000"
    piece = f"i / {ITEMS_EACH}"
    return {
        "video": "'ar-' || " + padded.format(width=26, number="i"),
        "video_of_item": "'ar-' || " + padded.format(width=26, number=piece),
        "patient": "'sr-' || " + padded.format(width=26, number=f"i % {PATIENTS}"),
        "upload": "'up-' || " + padded.format(width=32, number="i"),
        "key": padded.format(width=12, number="i"),
        "request": "'10000000-0000-4000-8000-' || " + padded.format(width=12, number="i"),
        "sha": padded.format(width=64, number="i"),
        "now": f"'{moment}'" if is_sqlite else f"TIMESTAMPTZ '{moment}+00'",
        "facts": "'{}'" if is_sqlite else "'{}'::jsonb",
        "media": ":media" if is_sqlite else "CAST(:media AS jsonb)",
        "roles": "'[\"user\"]'" if is_sqlite else "'[\"user\"]'::jsonb",
        "scopes": "'[\"read\"]'" if is_sqlite else "'[\"read\"]'::jsonb",
        "yes": "1" if is_sqlite else "true",
        "no": "0" if is_sqlite else "false",
        "policy": f"'{policy.name}', '{policy.digest}'",
        "digest": f"'{policy.digest}'",
        "other": f"'{_DIGEST}'",
        "webhook": f"'{webhook_id(0)}'",
        "each": str(ITEMS_EACH),
        "numbers": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :videos)",
        "some": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :videos / 100)",
        "many": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :items)",
        "done": f"({piece} % 10 < 6 OR i % {ITEMS_EACH} < {ITEMS_EACH // 2})",
        # of a hundred requests for frames one still waits
        "ended": "CASE WHEN i % 100 = 7 THEN NULL WHEN i % 50 = 3 THEN 'failed' ELSE 'completed' END",
        "waits": "i % 100 = 7",
    }


FILLING: Final = (
    "INSERT INTO assets (asset_id, subject_id, content_sha256, size_bytes, state, policy_name, policy_digest,"
    " created_at, updated_at) {numbers} SELECT {video}, {patient}, {sha}, 1000000000, CASE i % 10 WHEN 6 THEN 'masking'"
    " WHEN 7 THEN 'registered' WHEN 8 THEN 'failed' WHEN 9 THEN 'masked' ELSE 'delivered' END, {policy},"
    " {now}, {now} FROM n",
    "INSERT INTO media_info (asset_id, body) {numbers} SELECT {video}, {media} FROM n",
    "INSERT INTO chunks (asset_id, policy_digest, chunk, start_frame, end_frame) {many}"
    " SELECT {video_of_item}, {digest}, i % {each}, i % {each} * 100, i % {each} * 100 + 100 FROM n",
    "INSERT INTO work_items (asset_id, kind, chunk, policy_name, policy_digest, state, attempts, lease_epoch, due_at,"
    " rung_at, progress) {many} SELECT {video_of_item}, 'mask', i % {each}, {policy},"
    " CASE WHEN {done} THEN 'done' ELSE 'queued' END, 0, 0, {now}, {now}, 0.0 FROM n",
    "INSERT INTO artefacts (asset_id, policy_digest, kind, chunk, name, sha256, size_bytes, created_at) {many}"
    " SELECT {video_of_item}, {digest}, 'chunk', i % {each}, 'n', {other}, 1, {now} FROM n WHERE {done}",
    "INSERT INTO reports (asset_id, policy_digest, chunk, outcome, created_at) {many}"
    " SELECT {video_of_item}, {digest}, i % {each}, {facts}, {now} FROM n WHERE {done}",
    "INSERT INTO segments (asset_id, label, start_frame, end_frame) {numbers} SELECT {video}, 'stage', 0, 10 FROM n",
    "INSERT INTO segments (asset_id, label, start_frame, end_frame) {numbers} SELECT {video}, 'stage', 20, 30 FROM n",
    "INSERT INTO video_numbers (asset_id) {numbers} SELECT {video} FROM n",
    "INSERT INTO frame_requests (number, request_id, owner, slot, work_key, asset_id, policy_name, policy_digest,"
    " picture_format, total_frames, ended, created_at, started_at, ended_at, archive_name, archive_sha256,"
    " archive_bytes) {numbers} SELECT i + 1000, {request}, CASE i % 2 WHEN 1 THEN 'anna' ELSE 'berta' END, i + 10,"
    " {sha}, {video}, {policy}, 'jpg', 10, {ended}, {now}, {now}, CASE WHEN {waits} THEN NULL ELSE {now} END,"
    " CASE WHEN {waits} THEN NULL ELSE 'n' END, {other}, 1000 FROM n",
    "INSERT INTO frame_segments (number, segment_id, start_frame, end_frame) {numbers} SELECT i + 1000, i + 10, 0, 10"
    " FROM n",
    "INSERT INTO download_tokens (token_sha256, number, created_at, expires_at) {numbers} SELECT {sha}, i + 1000,"
    " {now}, {now} FROM n",
    "INSERT INTO work_items (asset_id, kind, chunk, policy_name, policy_digest, state, attempts, lease_epoch, due_at,"
    " rung_at, progress) {numbers} SELECT {video}, 'frames', i + 1000, {policy},"
    " CASE WHEN {waits} THEN 'queued' ELSE 'done' END, 0, 0, {now}, {now}, 0.0 FROM n",
    "INSERT INTO audit_events (at, actor, action, object_id, facts) {numbers}"
    " SELECT {now}, 'ingest', 'asset.registered', {video}, {facts} FROM n",
    "INSERT INTO audit_events (at, actor, action, object_id, facts) {many}"
    " SELECT {now}, 'ingest', 'work.queued', {video_of_item}, {facts} FROM n",
    "INSERT INTO audit_seals (position, event_id, sealed_at, key_id, mac)"
    " SELECT event_id, event_id, {now}, 'k', {other} FROM audit_events",
    "INSERT INTO asset_owners (owner, asset_id, since) {numbers} SELECT 'anna', {video}, {now} FROM n WHERE i % 2 = 1",
    "INSERT INTO uploads (upload_id, owner, state, length, received, epoch, policy_name, created_at, updated_at,"
    " expires_at) {numbers} SELECT {upload}, 'anna', 'registered', 10, 10, 1, 'faces', {now}, {now}, {now} FROM n",
    "INSERT INTO webhook_endpoints (endpoint_id, owner, sees_all, url, secret_version, active, created_at)"
    " SELECT {webhook}, 'anna', {no}, 'https://example.org/', 1, {yes}, {now}",
    "INSERT INTO webhook_deliveries (endpoint_id, event_id, asset_id, action, happened_at, state, attempts, due_at,"
    " last_at) {numbers} SELECT {webhook}, i + 1, {video}, 'asset.masking', {now}, 'delivered', 1, {now}, {now} FROM n",
    "INSERT INTO api_keys (key_id, client, label, digest, roles, scopes, created_at, expires_at) {some}"
    " SELECT {key}, 'client-' || {key}, 'pacs', {sha}, {roles}, {scopes}, {now}, {now} FROM n",
)
