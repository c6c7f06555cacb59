"""What can be set about the HTTP door: who may, how much, uploads, frames, webhooks, the audit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from opendrape.domain.access import Role
from opendrape.setting_groups.group import Group

TokenAlgorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with a public key only: a shared secret would make whoever checks a token able to make one."""


class GatewaySettings(Group):
    """The HTTP door."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0: any free one")
    max_body_bytes: int = Field(default=2**20, gt=0, description="longest request body, uploads apart")
    body_silence_seconds: float = Field(default=20.0, gt=0, description="a body that pauses longer is refused")


class AccessSettings(Group):
    """Who may use the HTTP door."""

    first_key_file: Path | None = Field(
        default=None, description="file with an API key that opens the door as admin; for a first start in a cluster"
    )
    key_days: float = Field(default=90.0, gt=0, le=366, description="life of a new API key unless told otherwise")
    failed_sign_ins_per_minute: int = Field(
        default=20, ge=1, description="more than this from one address: new credentials from there wait a minute"
    )
    metrics: Literal["loopback", "open", "signed_in"] = Field(
        default="loopback",
        description="who may read /metrics without a key: anybody while the door listens on loopback, anybody, nobody",
    )


class OidcSettings(Group):
    """Sign-in with tokens of an OpenID Connect issuer."""

    issuer: str = Field(default="", description="exact `iss` of the tokens, https; empty: API keys only")
    audience: str = Field(default="", description="exact `aud` of the tokens: this installation's name at the issuer")
    jwks_url: str = Field(default="", description="where the issuer's keys are; empty: asked by discovery")
    algorithms: tuple[TokenAlgorithm, ...] = Field(default=("RS256", "ES256"), description="signatures accepted")
    clients: tuple[str, ...] = Field(default=(), description="`azp` or `appid` accepted; empty: any")
    subject_claim: str = Field(default="sub", description="immutable id of the person; `oid` for Entra ID")
    roles_claim: str = Field(default="roles", description="claim with the roles; dots step into objects")
    roles: dict[str, Role] = Field(
        default_factory=dict, description="the issuer's role names -> ours, as JSON; empty: they are called alike"
    )
    clock_skew_seconds: float = Field(default=30.0, ge=0, le=300, description="tolerance for the issuer's clock")
    keys_fresh_seconds: float = Field(
        default=3600.0, gt=0, description="age at which the issuer's keys are fetched anew"
    )
    keys_stale_seconds: float = Field(
        default=86400.0, gt=0, description="age up to which known keys serve while the issuer does not answer"
    )
    refetch_seconds: float = Field(default=60.0, gt=0, description="shortest time between two fetches of keys")
    timeout_seconds: float = Field(default=5.0, gt=0, description="longest wait for the issuer")


class AuditSettings(Group):
    """The chain of the audit."""

    key_file: Path | None = Field(default=None, description="default: keys/audit.json in the state folder")
    anchor_file: Path | None = Field(default=None, description="default: audit.anchors in the state folder")
    seal_seconds: float = Field(default=10.0, gt=0, description="how often new events are sealed")
    anchor_seconds: float = Field(default=60.0, gt=0, description="how often the chain's head is anchored")


class FrameSettings(Group):
    """Requests for single frames."""

    max_segments: int = Field(default=100, ge=1, description="segments that one request may name")
    max_frames: int = Field(default=10_000, ge=1, description="frames that one request may ask for")
    max_open_requests: int = Field(default=5, ge=1, description="requests for frames that one user may have open")
    default_level: str = Field(default="faces", description="policy of a request for frames that names none")
    default_format: Literal["jpg", "png", "webp"] = Field(default="jpg", description="pictures of a request")
    token_hours: float = Field(default=24.0, gt=0, description="how long a download token is good for")
    keep_hours: float = Field(default=168.0, gt=0, description="how long the pictures of a request are kept")
    cleanup_hours: float = Field(default=6.0, gt=0, description="how often expired tokens and pictures are removed")


class UploadSettings(Group):
    """What may be uploaded."""

    folder: Path | None = Field(default=None, description="where uploads lie; default: uploads in the state folder")
    max_bytes: int = Field(default=2**40, gt=0, description="size of one upload")
    open_per_user: int = Field(default=20, gt=0, description="uploads that one user may have open")
    bytes_per_user_and_day: int = Field(default=4 * 2**40, gt=0, description="bytes one user may upload in 24 hours")
    reserve_bytes: int = Field(default=2**30, ge=0, description="disk space that uploads leave free")
    expire_seconds: float = Field(default=48 * 3600.0, gt=0, description="an upload left lying this long is removed")
    piece_bytes: int = Field(default=4 * 2**20, ge=2**16, description="bytes kept in memory before they are stored")
    policy: str = Field(default="faces", description="policy of an upload that names none")


class DoorSettings(Group):
    """What the HTTP door allows."""

    burst_requests: int = Field(default=200, gt=0, description="requests that one caller may make at once")
    requests_per_second: float = Field(default=20.0, gt=0, description="requests of one caller, in the long run")
    idempotency_seconds: float = Field(default=24 * 3600.0, gt=0, description="how long an Idempotency-Key is known")
    event_streams: int = Field(default=64, gt=0, description="event streams open at a time in one process")
    event_poll_seconds: float = Field(default=0.5, gt=0, description="how often an event stream looks for news")
    event_comment_seconds: float = Field(default=15.0, gt=0, description="silence before a keep-alive comment")


class WebhookSettings(Group):
    """Telling others."""

    per_user: int = Field(default=10, gt=0, description="webhooks that one user may have")
    allow_networks: tuple[str, ...] = Field(
        default=(), description='private networks that webhooks may go to, as a JSON list, e.g. `["10.1.2.0/24"]`'
    )
    allow_http: bool = Field(default=False, description="also without TLS")
    timeout_seconds: float = Field(default=5.0, gt=0, description="time a receiver has to answer")
    max_attempts: int = Field(default=12, ge=1, description="attempts of one delivery")
    first_retry_seconds: float = Field(default=5.0, gt=0, description="first delay; triples, with jitter")
    longest_retry_seconds: float = Field(default=12 * 3600.0, gt=0, description="longest delay between attempts")
    keep_seconds: float = Field(default=7 * 86400.0, gt=0, description="how long ended deliveries are shown")
