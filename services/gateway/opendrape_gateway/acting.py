"""What a route asks of its caller before it reads, changes or hands out: one name each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from opendrape.domain.access import Caller, Scope
from opendrape_gateway.callers import needs

Reader = Annotated[Caller, Depends(needs(scope=Scope.READ))]
Writer = Annotated[Caller, Depends(needs(scope=Scope.WRITE))]
Downloader = Annotated[Caller, Depends(needs(scope=Scope.DOWNLOAD))]


def sees_everything(caller: Caller) -> bool:
    """True for an administrator, who also sees what belongs to nobody."""
    return caller.sees(None)
