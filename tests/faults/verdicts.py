"""What must lie at the destination after a disturbed journey, and what after an undisturbed one."""

from __future__ import annotations

import json
import re
from pathlib import Path

from opendrape_uploader.receipts import Verdict, verify
from tests.faults.journeys import Baseline, Case, Journey, Place
from tests.faults.zygote import Ended

_DOCUMENT = re.compile(r"^\{$", re.MULTILINE)


def assert_safe(ended: Ended, place: Place, baseline: Baseline, case: Case) -> None:
    """V-16: after a disturbed journey nothing lies at the destination that is not complete and verified."""
    for path in place.visible:
        content = path.read_bytes()
        if path.suffix == case.journey.ending:
            assert content == baseline.video, f"{case}: another video was published"
        else:
            assert _is_genuine(path), f"{case}: a receipt that does not verify was published"
    for path in place.partial:
        content = path.read_bytes()
        assert baseline.video.startswith(content) or content[:1] == b"{", f"{case}: a foreign partial file"
    delivered = _is_delivered(place, case.journey)
    if ended.code == 0:
        assert delivered, f"{case}: success was reported, and nothing delivered"
    for asset in _assets(place.root / "said"):
        assert asset["state"] != "delivered" or delivered, f"{case}: said to be delivered"
        assert asset["state"] == "delivered" or ended.code, f"{case}: failed with exit code 0"


def assert_clean(ended: Ended, place: Place, *, clip: Path, baseline: Baseline | None) -> None:
    """The undisturbed journey delivers what it always delivers and leaves no scratch behind."""
    said = (place.root / "said").read_text()[-2000:]
    assert ended.code == 0, said
    videos = [path for path in place.visible if path.suffix in (".mp4", ".jpg")]
    assert len(videos) == 1
    assert baseline is None or videos[0].read_bytes() == baseline.video
    assert videos[0].read_bytes() != clip.read_bytes()
    receipts = [path for path in place.visible if path.suffix == ".json"]
    assert all(map(_is_genuine, receipts))
    assert len(place.visible) == len(videos) + len(receipts)
    assert place.partial == []
    assert place.scratch == []


def _is_delivered(place: Place, journey: Journey) -> bool:
    suffixes = sorted(path.suffix for path in place.visible)
    return suffixes == ([journey.ending] if journey.command == "mask" else [".json", journey.ending])


def _is_genuine(receipt: Path) -> bool:
    found = verify(receipt)
    return found.verdict is Verdict.VALID and found.output_checked


def _assets(said: Path) -> list[dict[str, str]]:
    """The assets in the JSON document of a run; none when it never came that far."""
    text = said.read_text()
    if not (start := _DOCUMENT.search(text)):
        return []
    try:
        assets: list[dict[str, str]] = json.JSONDecoder().raw_decode(text[start.start() :])[0].get("assets", [])
    except ValueError:
        return []  # it broke off while it was printed
    return assets
