"""V-10: hardware encoders are tried, never assumed, and never used unless a policy names one."""

from __future__ import annotations

import pytest

from opendrape.domain.output_rules import EncodeRule
from opendrape.errors import PolicyInvalid
from opendrape.media import encoder_trial
from opendrape.media.encoder_trial import check_encoder, working_encoders
from opendrape.media.encoders import SOFTWARE, encoder_name


def test_software_is_the_default_and_works_here() -> None:
    """V-10: both codecs, as tried inside a child."""
    works = working_encoders()
    assert encoder_name(EncodeRule()) == "libx264"
    assert all(works[name] for name in SOFTWARE.values())
    assert set(works) >= {"h264_nvenc", "hevc_nvenc", "h264_qsv", "h264_videotoolbox"}


def test_a_hardware_encoder_whose_trial_fails_stops_before_any_work() -> None:
    """V-16: AMD's runtime is not there: listed by FFmpeg, of no use."""
    with pytest.raises(PolicyInvalid) as caught:
        check_encoder(EncodeRule(encoder="amf"))
    assert caught.value.reason == "encoder_unavailable"


def test_a_driver_that_kills_its_child_condemns_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """V-16: tried together first; after a crash each has a child of its own."""
    asked: list[int] = []

    def trial(rules: list[EncodeRule]) -> list[bool] | None:
        asked.append(len(rules))
        return (
            None if any(rule.encoder == "nvenc" for rule in rules) else [rule.encoder == "software" for rule in rules]
        )

    monkeypatch.setattr(encoder_trial, "_tried_in_child", trial)
    works = working_encoders()
    assert asked == [10, *[1] * 10]
    assert [name for name, answer in works.items() if answer] == ["libx264", "libx265"]
