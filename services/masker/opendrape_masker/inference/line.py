"""Where do a masker's models run: in each child, or on a Triton server that the parent asks for them? (O-01)"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opendrape.domain.policy import Role
from opendrape.errors import InferenceFailed
from opendrape.settings import Settings
from opendrape_masker.inference.relay import relayed
from opendrape_masker.inference.relayed_session import RemoteModels
from opendrape_masker.inference.repository import read_repository

if TYPE_CHECKING:
    from opendrape_masker.inference.triton_session import TritonSession

_DECODER_WITH_TABLE = "ctc"
_SILENCE = frozenset({"inference_unavailable", "inference_timeout"})


def uses_triton(settings: Settings) -> bool:
    """True when a server's address is set."""
    return bool(settings.triton.addresses)


def open_triton(settings: Settings, *, deadline_seconds: float | None = None) -> TritonSession:
    """A session on the servers that the settings name; close it."""
    # the client library is only there, and only loaded, where a server is used
    from opendrape_masker.inference.triton_session import TritonSession

    chosen = settings.triton
    return TritonSession(
        settings.model_repository,
        chosen.addresses,
        in_flight=chosen.max_in_flight,
        deadline_seconds=deadline_seconds or chosen.deadline_seconds,
        ca_file=chosen.ca_file,
    )


@contextmanager
def inference_line(settings: Settings, roles: Collection[Role]) -> Iterator[RemoteModels | None]:
    """A child's line to the server while the context lasts; None when the child runs its models itself, or needs none
    because there are no ``roles``.

    The connection is made for this child: a new child finds new pods. ``InferenceFailed`` when no server answers
    (``inference_away``), or none serves a model of a role that the repository has one for (``model_not_served``):
    nothing of the item was sent yet, so both are waited out. A server lost later may have met its end in the pictures.
    """
    if not roles or not uses_triton(settings):
        yield None
        return
    session = open_triton(settings)
    try:
        with _before_anything_is_sent():
            digests, labels = _served(session, settings)
        _refuse_missing(settings, roles, digests)
        with relayed(session, in_flight=settings.triton.max_in_flight, hang_up=session.close) as (requests, answers):
            yield RemoteModels(
                requests=requests,
                answers=answers,
                deadline_seconds=settings.triton.deadline_seconds,
                digests=digests,
                labels=labels,
            )
    finally:
        session.close()


def check_inference(settings: Settings, roles: Collection[Role], *, deadline_seconds: float | None = None) -> None:
    """Really ask every server that is set, for health; nothing to ask when children run their models themselves.

    Raises ``InferenceFailed``.
    """
    if not uses_triton(settings):
        return
    session = open_triton(settings, deadline_seconds=deadline_seconds)
    try:
        session.check(roles)
    finally:
        session.close()


def served_models(settings: Settings) -> dict[str, str]:
    """Name -> source digest of every model of the repository that the server has ready. ``InferenceFailed``."""
    session = open_triton(settings)
    try:
        return _served(session, settings)[0]
    finally:
        session.close()


@contextmanager
def _before_anything_is_sent() -> Iterator[None]:
    """Silence now says something of the servers alone: an outage."""
    try:
        yield
    except InferenceFailed as error:
        if error.reason not in _SILENCE:
            raise
        raise InferenceFailed("no Triton server answers", reason="inference_away") from error


def _refuse_missing(settings: Settings, roles: Collection[Role], served: Collection[str]) -> None:
    folders = read_repository(settings.model_repository)
    known = {role for folder in folders for role in folder.lock.roles}
    answered = {role for folder in folders if folder.name in served for role in folder.lock.roles}
    if missing := sorted(known.intersection(roles) - answered):
        message = f"the Triton server has no model for {', '.join(missing)} as it is pinned here"
        raise InferenceFailed(message, reason="model_not_served")


def _served(session: TritonSession, settings: Settings) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    digests, labels = {}, {}
    for folder in read_repository(settings.model_repository):
        if (digest := session.source_digest(folder.name)) is not None:
            digests[folder.name] = digest
            if folder.lock.decoder == _DECODER_WITH_TABLE:
                labels[folder.name] = session.labels(folder.name)
    return digests, labels
