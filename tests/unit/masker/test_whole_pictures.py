"""V-05, V-06, V-07: what must be blacked as a whole is a solid box, whatever shape and effect the policy has."""

from __future__ import annotations

import pytest

from opendrape.domain.mask_rule import Effect, MaskRule, Shape
from opendrape_masker.engine.boxes import Box
from opendrape_masker.engine.paint import Painter
from opendrape_masker.engine.regions import Target
from tests.fakes.frames import facts

WIDTH, HEIGHT = facts().width, facts().height


@pytest.mark.parametrize("rule", [MaskRule(shape=Shape.ELLIPSE), MaskRule(effect=Effect.BLUR, shape=Shape.ELLIPSE)])
@pytest.mark.parametrize(
    "target",
    [
        Target(Box(0, 0, WIDTH, HEIGHT), "out-of-body"),
        Target(Box(8, 8, 40, 40), must_be_solid=True),
    ],
    ids=["whole picture", "must be solid"],
)
def test_an_ellipse_or_a_blur_does_not_spare_it(rule: MaskRule, target: Target) -> None:
    """V-05: the corners of a blacked picture are black too."""
    painter = Painter.of(rule, facts())
    (rect,) = painter.rectangles([target])
    coat = painter.coat_of(rect)
    assert (coat.effect, coat.shape) == (Effect.SOLID, Shape.BOX)
