"""What a route asks of its caller before it reads, changes or hands out: one name each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from opendrape_gateway.callers import Caller, the_caller

Reader = Annotated[Caller, Depends(the_caller)]
Writer = Annotated[Caller, Depends(the_caller)]
Downloader = Annotated[Caller, Depends(the_caller)]


def sees_everything(caller: Caller) -> bool:
    """True for an administrator, who also sees what belongs to nobody."""
    return caller.sees(None)
