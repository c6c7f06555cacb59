"""How far an asset is, from 0 to 1, computed from what its work stands at."""

from __future__ import annotations

from opendrape.domain.states import API_NAMES, AssetState
from opendrape.ports.video_shelf import Standing

_PLAN, _MASK, _ASSEMBLE, _DELIVER = 0.02, 0.90, 0.04, 0.04


def asset_progress(state: AssetState, standing: Standing) -> float:
    """Shares per kind of work; masking is weighted by frames.

    1.0 exactly when the asset is completed; below that never more than 0.999.
    """
    if API_NAMES[state] == "completed":
        return 1.0
    masked = standing.frames_kept + standing.frames_under_way
    share = min(1.0, masked / standing.frames) if standing.frames else 0.0
    steps = _PLAN * standing.planned + _ASSEMBLE * standing.assembled + _DELIVER * standing.delivered
    return min(0.999, round(steps + _MASK * share, 4))
