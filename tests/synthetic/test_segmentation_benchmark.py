"""Does the page about silhouettes count what it says it counts, and does no policy get one?"""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.segmentation import Person, judged, people, silhouette
from pydantic import ValidationError

from opendrape.domain.mask_rule import MaskRule


def person() -> Person:
    own = np.zeros((100, 100), np.uint8)
    own[20:70, 40:60] = 1
    return Person(own, (30, 10, 70, 80))


def test_hidden_shares_are_of_the_persons_own_pixels_and_of_their_upper_fifth() -> None:
    """V-07: what is painted beside them hides nothing of them."""
    painted = np.zeros((100, 100), np.uint8)
    painted[30:80, 30:60] = 1  # all but the head
    assert judged(person(), painted) == pytest.approx((0.8, 0.0, 50 * 30 / (40 * 70)))


def test_a_silhouette_stays_inside_the_box_however_far_it_is_widened() -> None:
    """V-07."""
    likely = np.zeros((100, 100), np.float32)
    likely[40:50, 45:55] = 0.6
    narrow = silhouette(likely, person().box, 0.5, 0.0)
    wide = silhouette(likely, person().box, 0.5, 0.5)
    assert narrow.sum() == 100
    assert silhouette(likely, person().box, 0.7, 0.0).sum() == 0
    assert wide[10:80, 30:70].sum() == wide.sum() > 100


def test_people_who_are_too_small_and_things_are_not_counted() -> None:
    """V-07: a person is class 1 in these annotations."""
    body, tiny, thing = "1 .2 .2 .6 .2 .6 .9 .2 .9", "1 .1 .1 .2 .1 .2 .2", "28 .2 .2 .6 .2 .6 .9 .2 .9"
    (one,) = people(np.zeros((200, 200, 3), np.uint8), f"{body}\n{tiny}\n{thing}\n")
    x0, y0, x1, y1 = one.box
    assert one.own[y0:y1, x0:x1].sum() == one.own.sum() > 0


def test_a_policy_that_asks_for_a_silhouette_is_refused() -> None:
    """V-07, V-01: not silently a box, and never a silhouette."""
    with pytest.raises(ValidationError, match="shape"):
        MaskRule.model_validate({"shape": "segmentation"})
