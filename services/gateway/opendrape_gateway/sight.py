"""Which video or picture does an address mean, and may the caller see it: what is not theirs is not there (H-05).

A reviewer works with whatever waits for a decision as its owner may, until it waits no more; frames stay the owner's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from opendrape.domain.access import Caller
from opendrape.domain.pseudonym import is_picture
from opendrape.domain.states import ANY_STATE, AWAITING_A_DECISION, AssetState
from opendrape.domain.work import Asset
from opendrape.errors import NotFound
from opendrape.ports.video_shelf import Glance
from opendrape_gateway.acting import Reader, sees_everything
from opendrape_gateway.desk import AtDesk, Desk

ASSET_ID = r"[a-z0-9-]{1,64}"
PICTURES = "/api/images/"
"""Where pictures are found; under every other address there are videos."""


def seen_glance(
    request: Request, desk: AtDesk, caller: Reader, asset_id: Annotated[str, Path(description="the asset's pseudonym")]
) -> Glance:
    """The video (or picture, under that address) and its newest event; ``NotFound`` when there is none, or it is
    somebody else's.
    """
    if not re.fullmatch(ASSET_ID, asset_id) or is_picture(asset_id) != request.url.path.startswith(PICTURES):
        raise NotFound
    glance = _glance_at_own(desk, caller, asset_id) or _glance_at_waiting(desk, caller, asset_id)
    if glance is None:
        raise NotFound
    return glance


def _glance_at_own(desk: Desk, caller: Caller, asset_id: str) -> Glance | None:
    return desk.container.door.videos.glance(asset_id, None if sees_everything(caller) else caller.subject)


def _glance_at_waiting(desk: Desk, caller: Caller, asset_id: str) -> Glance | None:
    if not caller.is_reviewer:
        return None
    glance = desk.container.door.videos.glance(asset_id, None)
    return glance if glance is not None and may_review(caller, glance.asset) else None


SeenGlance = Annotated[Glance, Depends(seen_glance)]


async def seen_video(glance: SeenGlance) -> Asset:
    """The video alone."""
    return glance.asset


def may_see_video(desk: Desk, caller: Caller, asset_id: str) -> bool:
    """True for an owner and for an administrator; never for a picture."""
    return not is_picture(asset_id) and _may_see(desk, caller, asset_id)


def _may_see(desk: Desk, caller: Caller, asset_id: str) -> bool:
    return sees_everything(caller) or desk.container.door.owners.is_owner(asset_id, caller.subject)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which videos a list may show: an owner's (None: everybody's), and anybody's in these states."""

    owner: str | None
    whoever_brought_it: tuple[AssetState, ...] = ()


def sight_of(caller: Caller) -> Sight:
    """What a list of the caller's may show, by the same rules as for one video."""
    if sees_everything(caller):
        return Sight(None)
    return Sight(caller.subject, tuple(sorted(AWAITING_A_DECISION)) if caller.is_reviewer else ())


def may_review(caller: Caller, asset: Asset) -> bool:
    """True for a reviewer while a person has to look at the video."""
    return caller.is_reviewer and asset.state in AWAITING_A_DECISION


SeenVideo = Annotated[Asset, Depends(seen_video)]


def changeable_states(desk: AtDesk, caller: Reader, video: SeenVideo) -> frozenset[AssetState]:
    """In which states the caller may change the video or picture: an owner in any, a reviewer only while it waits.

    The act itself looks whether it still does: between the sight and the act another one may have decided.
    """
    return ANY_STATE if _may_see(desk, caller, video.asset_id) else AWAITING_A_DECISION


WhileIn = Annotated[frozenset[AssetState], Depends(changeable_states)]
