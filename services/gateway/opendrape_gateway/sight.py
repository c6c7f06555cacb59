"""Which video does an address mean, and may the caller see it: what is not theirs is not there (H-05)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Path

from opendrape.domain.access import Caller
from opendrape.domain.work import Asset
from opendrape.errors import NotFound
from opendrape.ports.video_shelf import Glance
from opendrape_gateway.acting import Reader, sees_everything
from opendrape_gateway.desk import AtDesk, Desk

ASSET_ID = r"[a-z0-9-]{1,64}"


def seen_glance(
    desk: AtDesk, caller: Reader, asset_id: Annotated[str, Path(description="the asset's pseudonym")]
) -> Glance:
    """The video and its newest event; ``NotFound`` when there is none, or it is somebody else's."""
    if not re.fullmatch(ASSET_ID, asset_id):
        raise NotFound
    owner = None if sees_everything(caller) else caller.subject
    glance = desk.container.door.videos.glance(asset_id, owner)
    if glance is None:
        raise NotFound
    return glance


SeenGlance = Annotated[Glance, Depends(seen_glance)]


async def seen_video(glance: SeenGlance) -> Asset:
    """The video alone."""
    return glance.asset


def may_see_video(desk: Desk, caller: Caller, asset_id: str) -> bool:
    """True for an owner and for an administrator."""
    return sees_everything(caller) or desk.container.door.owners.is_owner(asset_id, caller.subject)


SeenVideo = Annotated[Asset, Depends(seen_video)]
