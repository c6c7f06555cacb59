"""Which video does an address mean, and may the caller see it: what is not theirs is not there (H-05)."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Path

from opendrape.domain.work import Asset
from opendrape.errors import NotFound
from opendrape_gateway.acting import Reader, sees_everything
from opendrape_gateway.desk import AtDesk

ASSET_ID = r"[a-z0-9-]{1,64}"


def seen_video(
    desk: AtDesk, caller: Reader, asset_id: Annotated[str, Path(description="the asset's pseudonym")]
) -> Asset:
    """The video; ``NotFound`` when there is none, or it is somebody else's."""
    if not re.fullmatch(ASSET_ID, asset_id):
        raise NotFound
    asset = desk.catalogue.asset(asset_id)
    if not sees_everything(caller) and not desk.container.door.owners.is_owner(asset_id, caller.subject):
        raise NotFound
    return asset


SeenVideo = Annotated[Asset, Depends(seen_video)]
