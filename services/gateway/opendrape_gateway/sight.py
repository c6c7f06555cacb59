"""Which video does an address mean, and may the caller see it: what is not theirs is not there (H-05)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Path

from opendrape.domain.access import Caller
from opendrape.domain.work import Asset
from opendrape.errors import NotFound
from opendrape_gateway.acting import Reader, sees_everything
from opendrape_gateway.desk import AtDesk, Desk

ASSET_ID = r"[a-z0-9-]{1,64}"


def seen_video(
    desk: AtDesk, caller: Reader, asset_id: Annotated[str, Path(description="the asset's pseudonym")]
) -> Asset:
    """The video; ``NotFound`` when there is none, or it is somebody else's."""
    if not re.fullmatch(ASSET_ID, asset_id):
        raise NotFound
    asset = desk.catalogue.asset(asset_id)
    if not sees(desk, caller, asset_id):
        raise NotFound
    return asset


def sees(desk: Desk, caller: Caller, asset_id: str) -> bool:
    """True for whoever brought the video and for an administrator."""
    return sees_everything(caller) or desk.container.door.owners.is_owner(asset_id, caller.subject)


SeenVideo = Annotated[Asset, Depends(seen_video)]
