"""V-08: sound as a policy says, through the real children, for one file and for a work item."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import pytest

from opendrape.domain.output_rules import AudioRule
from opendrape.domain.policy import Policy
from opendrape.domain.sound import MutedInterval
from opendrape.errors import PolicyInvalid
from opendrape.media.scrub import survivors
from opendrape.settings import Settings
from opendrape_masker import children, chunk_child
from opendrape_masker.single import mask_file
from tests.integration.masker import ledger_bench
from tests.integration.masker.workbench import POLICY, Clip
from tests.integration.media.footage import pattern
from tests.integration.media.test_sound import RATE, samples

pytestmark = pytest.mark.timeout(120)

LOOKS_FOR_NOTHING = Policy(name="nothing", summary="for tests", encode=POLICY.encode)
SECOND = MutedInterval(start=Fraction(1), end=Fraction(2))


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Three seconds with a tone, and a title that names somebody."""
    tone = ("-f", "lavfi", "-i", "sine=f=500:d=3:r=48000", "-c:v", "libx264", "-c:a", "aac", "-pix_fmt", "yuv420p")
    return pattern(tmp_path / "talk.mp4", *tone, "-metadata:s:a", "handler_name=Dr. Canary", seconds="3")


def masked(talk: Path, rule: AudioRule) -> tuple[Path, dict[str, object]]:
    """Mask ``talk``; the output and what the report says of its sound."""
    settings = Settings(state_dir=talk.parent / "state", destination=talk.parent / "out")
    settings.state_dir.mkdir(exist_ok=True)
    output = talk.with_name("out.mp4")
    policy = LOOKS_FOR_NOTHING.model_copy(update={"audio": rule})
    report = mask_file(talk, output, policy=policy, settings=settings)
    assert report.sound is not None
    return output, report.sound.model_dump(mode="json")


def kinds(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def test_sound_is_dropped_by_default_and_the_report_says_so(talk: Path) -> None:
    """V-08: one stream dropped, none written."""
    output, said = masked(talk, AudioRule())
    assert kinds(output) == ["video"]
    assert said == {"mode": "drop", "dropped": 1, "tracks": []}


def test_kept_sound_is_there_and_nameless(talk: Path) -> None:
    """V-08, V-09."""
    output, said = masked(talk, AudioRule(mode="keep"))
    assert kinds(output) == ["video", "audio"]
    assert said["dropped"] == 0
    assert survivors(output, sounds=1) == ()
    assert b"Canary" not in output.read_bytes()
    assert samples(output)[:RATE] == samples(talk)[:RATE]


def test_muted_sound_is_silent_there(talk: Path) -> None:
    """V-08: as another FFmpeg hears it."""
    output, said = masked(talk, AudioRule(mode="mute", intervals=(SECOND,)))
    heard = samples(output)
    assert not any(heard[RATE : 2 * RATE])
    assert any(heard[: RATE // 2])
    assert said["mode"] == "mute"


def test_muting_nothing_is_refused_and_nothing_is_written(talk: Path) -> None:
    """V-08, V-16."""
    with pytest.raises(PolicyInvalid):
        masked(talk, AudioRule(mode="mute"))
    assert not talk.with_name("out.mp4").exists()


def test_a_work_item_keeps_sound_too(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V-08, O-03: the handler opens the source for assembling, and the stored report says what became of the sound."""
    tone = ("-f", "lavfi", "-i", "sine=f=500:d=3:r=48000", "-c:v", "libx264", "-g", "12", "-sc_threshold", "0")
    clip = Clip.of(pattern(tmp_path_factory.mktemp("loud") / "loud.mp4", *tone, "-c:a", "aac", seconds="3"))
    keep = ledger_bench.LEDGER_POLICY.model_copy(update={"audio": AudioRule(mode="mute", intervals=(SECOND,))})
    monkeypatch.setattr(children, "run_child", ledger_bench.run_here)
    monkeypatch.setattr(chunk_child, "Detectors", ledger_bench.ScriptedDetectors)
    bench = ledger_bench.LedgerBench(clip, tmp_path, keep)
    bench.work(3)
    report = bench.catalogue.report(ledger_bench.ASSET, keep.digest)
    bench.catalogue.close()
    assert report is not None
    assert report.sound is not None
    assert [(track.how, track.silent_intervals) for track in report.sound.tracks] == [("encoded", 1)]
    (masked_file,) = (tmp_path / "work" / "masked").rglob("*.mp4")
    heard = samples(shutil.copy(masked_file, tmp_path / "masked.mp4"))
    assert any(heard[:RATE])
    assert not any(heard[RATE : 2 * RATE])
