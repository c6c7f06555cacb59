"""When is a transaction run again: only when it left nothing behind, and only a few times."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from opendrape.adapters.sql.postgresql import may_pass
from opendrape.errors import CatalogueUnavailable

Kept = TypeVar("Kept", bound=type)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")

TIMES: Final = 4
_PAUSE_SECONDS: Final = 0.02


def repeated(kept: Kept) -> Kept:
    """Class decorator: every public method is one transaction and is repeated when its transaction may pass now."""
    for name, method in list(vars(kept).items()):
        if callable(method) and not name.startswith("_"):
            setattr(kept, name, _repeated(method))
    return kept


def _repeated(call: Callable[Given, Answer]) -> Callable[Given, Answer]:
    @functools.wraps(call)
    def again_and_again(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        for tried in range(1, TIMES):
            try:
                return call(*args, **kwargs)
            except CatalogueUnavailable as error:
                if not _left_nothing(error):
                    raise
            # Two that met once must not meet again at the same moment.
            time.sleep(random.uniform(0, _PAUSE_SECONDS * tried))  # noqa: S311
        return call(*args, **kwargs)

    return again_and_again


def _left_nothing(error: CatalogueUnavailable) -> bool:
    cause = error.__cause__
    return error.reason != "commit_in_doubt" and isinstance(cause, SQLAlchemyError) and may_pass(cause)
