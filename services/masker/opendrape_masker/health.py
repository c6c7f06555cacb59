"""What does the masker depend on besides catalogue and storage? Checks for ``/health`` (H-07)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from opendrape.domain.policy import Role
from opendrape.settings import Settings
from opendrape_masker.inference.line import check_inference, uses_triton

_EVERY_POLICY_NEEDS = frozenset({Role.FACE, Role.TEXT})


def masker_checks(settings: Settings) -> dict[str, Callable[[], None]]:
    """Name -> check that really asks: ``triton`` where one is set. Each raises what is wrong.

    Without a server there is nothing to ask: models are read and digested when a child loads them.
    """
    return {"triton": partial(check_inference, settings, _EVERY_POLICY_NEEDS)} if uses_triton(settings) else {}
