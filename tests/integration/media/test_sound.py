"""Does sound come through as the policy says: not at all, bit for bit, or silent where asked, and always in time?"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from opendrape.domain.sound import Silence
from opendrape.errors import FidelityBroken
from opendrape.media.assemble import assemble, prove
from opendrape.media.probe import ProbeResult
from opendrape.media.scrub import removed, survivors
from opendrape.media.sound_proof import prove_sound
from opendrape.media.sound_tracks import SoundTrack, SoundWish, sound_tracks
from tests.integration.media.footage import LIMITS, clip, descriptor, ffmpeg, halves, pattern, probed, write_chunks

RATE = 48_000
CLICKS = "aevalsrc='if(between(mod(t,0.5),0.2,0.25),0.8*sin(2*PI*1000*t),0.001*sin(2*PI*300*t))':s=48000:d=3"
"""A loud twentieth of a second every half second, from 0.2 s, over something hardly heard."""
ONE_TO_TWO = ((Fraction(1), Fraction(2)),)


@dataclass(frozen=True)
class Heard:
    """A source with sound and what was written of it."""

    source: Path
    written: Path
    found: ProbeResult
    chunks: list[Path]
    tracks: tuple[SoundTrack, ...]


@contextmanager
def heard(source: Path, folder: Path, silence: Sequence[Silence] = (), *, copy: bool = True) -> Iterator[Heard]:
    """Write ``source`` with its sound; the source stays open for what is proven afterwards."""
    found = probed(source)
    chunks = write_chunks(source, found, folder, halves(found.timeline))
    written = folder / "heard.mp4"
    with descriptor(source) as number:
        tracks = sound_tracks(SoundWish(number, found.media, LIMITS, tuple(silence), copy))
        assemble(chunks, written, media=found.media, timeline=found.timeline, sounds=tracks)
        prove(written, chunks, media=found.media, timeline=found.timeline, sounds=len(tracks))
        prove_sound(written, tracks)
        assert survivors(written, sounds=len(tracks)) == ()
        yield Heard(source, written, found, chunks, tracks)


def clicks(path: Path, *arguments: str) -> Path:
    """Three seconds of pattern and clicks."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=3", "-f", "lavfi", "-i", CLICKS, *arguments, path)
    return path


def samples(path: Path, number: int = 0) -> list[int]:
    """What another FFmpeg hears in one stream: mono samples from second 0 of the file."""
    raw = path.with_suffix(f".{number}.raw")
    stretched = ("-af", "aresample=async=1:first_pts=0:min_hard_comp=0.001")
    ffmpeg("-i", path, "-map", f"0:a:{number}", *stretched, "-ac", "1", "-ar", str(RATE), "-f", "s16le", raw)
    content = raw.read_bytes()
    return list(struct.unpack(f"<{len(content) // 2}h", content))


def onsets(heard: list[int]) -> list[float]:
    """Seconds at which it becomes loud after at least a tenth of a second of quiet."""
    found, quiet_since = [], 0
    for number, sample in enumerate(heard):
        if abs(sample) > 6000:
            if number - quiet_since > RATE // 10:
                found.append(number / RATE)
            quiet_since = number
    return found


def have_same_samples(one: Path, other: Path, folder: Path) -> bool:
    """Every sample of the first stream alike, as another FFmpeg decodes it; the ends may differ by a movie's tick."""
    contents = []
    for number, path in enumerate((one, other)):
        raw = folder / f"{number}.pcm"
        ffmpeg("-i", path, "-map", "0:a:0", "-f", "s16le", raw)
        contents.append(raw.read_bytes())
    common = min(map(len, contents))
    return common > 100_000 and contents[0][:common] == contents[1][:common] and max(map(len, contents)) - common < 64


COPIED = {
    "aac.mp4": ("-c:a", "aac"),
    "aac.ts": ("-c:a", "aac"),
    "aac.mkv": ("-c:a", "aac"),
    "aac.flv": ("-c:v", "flv", "-c:a", "aac"),
    "ac3.mkv": ("-c:a", "ac3"),
    "eac3.mov": ("-c:a", "eac3"),
    "opus.mkv": ("-c:a", "libopus"),
}
ENCODED = {
    "mp3.avi": ("-c:a", "libmp3lame"),  # the encoder writes its name into every gap
    "pcm.mov": ("-c:a", "pcm_s16le"),
    "pcm24.mkv": ("-c:a", "pcm_s24le"),
    "flac.mkv": ("-c:a", "flac"),
    "vorbis.mkv": ("-c:a", "libvorbis"),
    "mp2.ts": ("-c:a", "mp2"),
    "odd_rate.mkv": ("-c:a", "pcm_s16le", "-ar", "37800"),
}


@pytest.mark.parametrize("name", COPIED)
def test_sound_that_fits_is_copied_and_decodes_to_the_same_samples(name: str, tmp_path: Path) -> None:
    """V-08: keep."""
    source = clicks(tmp_path / name, *COPIED[name])
    with heard(source, tmp_path) as result:
        assert [track.facts.how for track in result.tracks] == ["copied"]
    before, after = samples(source), samples(result.written)
    assert len(onsets(before)) == 6
    assert onsets(after) == pytest.approx([*onsets(before)], abs=0.003)
    if name.endswith("mp4"):
        assert have_same_samples(result.written, source, tmp_path)


@pytest.mark.parametrize("name", ENCODED)
def test_other_sound_is_encoded_anew_in_time(name: str, tmp_path: Path) -> None:
    """V-08: every click within a fraction of an audio frame of where it was; the length stays within one frame."""
    source = clicks(tmp_path / name, *ENCODED[name])
    with heard(source, tmp_path) as result:
        (facts,) = (track.facts for track in result.tracks)
        assert (facts.how, facts.codec) == ("encoded", "aac")
    before, after = samples(source), samples(result.written)
    assert len(onsets(before)) == 6
    assert onsets(after) == pytest.approx(onsets(before), abs=0.004)
    assert abs(len(after) - len(before)) <= 2048


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("container", ["late.mkv", "late.mp4", "late.ts"])
def test_sound_that_starts_late_stays_late(container: str, copy: bool, tmp_path: Path) -> None:
    """V-08: the start offset is kept, whatever the container writes it as."""
    plain = clicks(tmp_path / "plain.mkv", "-c:v", "libx264", "-c:a", "aac")
    source = tmp_path / container
    ffmpeg("-i", plain, "-itsoffset", "0.73", "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy", source)
    with heard(source, tmp_path, copy=copy) as result:
        assert result.tracks[0].is_copied is copy
    assert onsets(samples(result.written)) == pytest.approx([0.93, 1.43, 1.93, 2.43, 2.93, 3.43], abs=0.025)


@pytest.mark.media
def test_an_edit_list_is_obeyed(tmp_path: Path) -> None:
    """V-08: priming and cut beginnings are not heard."""
    source = clip("odd/negative_start_editlist.mp4")
    with heard(source, tmp_path) as result:
        assert result.tracks[0].is_copied
    assert have_same_samples(result.written, source, tmp_path)


@pytest.mark.parametrize("name", ["aac.mp4", "opus.mkv", "mp3.avi", "vorbis.mkv", "pcm.mov"])
def test_muted_intervals_are_silent_and_the_rest_is_heard(name: str, tmp_path: Path) -> None:
    """V-08: as another FFmpeg hears it: digital silence inside, every click outside in its place."""
    source = clicks(tmp_path / name, *(COPIED | ENCODED)[name])
    with heard(source, tmp_path, ONE_TO_TWO) as result:
        (facts,) = (track.facts for track in result.tracks)
        assert (facts.how, facts.why, facts.silent_intervals) == ("encoded", "muted", 1)
    before, after = samples(source), samples(result.written)
    assert any(before[RATE : 2 * RATE])
    assert not any(after[RATE : 2 * RATE])
    assert onsets(after) == pytest.approx([second for second in onsets(before) if not 1 < second < 2], abs=0.004)


def test_an_open_interval_reaches_to_the_end(tmp_path: Path) -> None:
    """V-08."""
    source = clicks(tmp_path / "s.mp4")
    with heard(source, tmp_path, [(Fraction(1, 2), Fraction(10**9))]) as result:
        after = samples(result.written)
    assert len(onsets(after)) == 1
    assert not any(after[RATE // 2 :])


def test_every_stream_is_kept_in_order_and_without_a_name(tmp_path: Path) -> None:
    """V-08, V-09: neither language nor title nor handler."""
    three = [part for _ in range(3) for part in ("-f", "lavfi", "-i", "sine=d=1")]
    names = ("-metadata:s:a:1", "title=Dr. Sample dictation", "-metadata:s:a:1", "language=deu")
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:a")
    codecs = ("-c:a:0", "aac", "-c:a:1", "pcm_s16le", "-c:a:2", "libopus")
    source = pattern(tmp_path / "s.mkv", *three, *maps, *codecs, *names)
    with heard(source, tmp_path) as result:
        assert [track.facts.codec for track in result.tracks] == ["aac", "aac", "opus"]
        assert removed(result.found.media, sounds=3)["tags_and_chapters"] > 0
        assert "audio_streams" not in removed(result.found.media, sounds=3)
    again = probed(result.written)
    assert again.media.other_streams.audio == 3
    content = result.written.read_bytes()
    assert not any(word in content for word in (b"Sample", b"deu", b"SoundHandler", b"Lavc"))


def test_an_encoders_name_inside_aac_is_gone_at_every_bit_position(tmp_path: Path) -> None:
    """V-09: FFmpeg's encoder writes its version into the sound itself; the samples stay."""
    source = clicks(tmp_path / "s.mp4", "-c:a", "aac")
    assert _anywhere(source, b"Lavc"), "the name was never there"
    with heard(source, tmp_path) as result:
        assert result.tracks[0].is_copied
    assert not _anywhere(result.written, b"Lavc")
    assert have_same_samples(result.written, source, tmp_path)


def test_a_name_planted_in_the_written_sound_would_be_found(tmp_path: Path) -> None:
    """V-09: the check after writing sees what FFmpeg's own encoder leaves in the sound, and in the boxes."""
    source = clicks(tmp_path / "s.mp4", "-c:a", "aac")
    with heard(source, tmp_path) as result:
        written = result.written
    ffmpeg("-i", written, "-i", source, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "text.mp4")
    ffmpeg("-i", written, "-c", "copy", "-metadata:s:a", "language=deu", tmp_path / "language.mp4")
    ffmpeg("-i", written, "-c", "copy", "-metadata:s:a", "handler_name=Jane Doe", tmp_path / "handler.mp4")
    assert "text_in_sound" in survivors(tmp_path / "text.mp4", sounds=1)
    assert "tags" in survivors(tmp_path / "language.mp4", sounds=1)
    assert "handler_name" in survivors(tmp_path / "handler.mp4", sounds=1)
    assert {"further_streams", "box_twice"} <= set(survivors(written))


def _anywhere(path: Path, word: bytes) -> bool:
    content = path.read_bytes()
    number = int.from_bytes(content)
    return any(word in (number >> shift).to_bytes(len(content)) for shift in range(8))


def test_sound_that_was_not_silenced_is_caught(tmp_path: Path) -> None:
    """V-08, V-16: leave the silencing out, and the proof fails."""
    source = clicks(tmp_path / "s.mp4", "-c:a", "aac")
    with heard(source, tmp_path, copy=False) as result:
        wanted = replace(result.tracks[0], wish=replace(result.tracks[0].wish, silence=ONE_TO_TWO))
        with pytest.raises(FidelityBroken) as caught:
            prove_sound(result.written, [wanted])
    assert caught.value.reason == "sound_not_silent"


def test_sound_that_is_silent_where_it_must_not_be_is_caught(tmp_path: Path) -> None:
    """V-08: the rest is kept, not lost."""
    source = clicks(tmp_path / "s.mp4", "-c:a", "aac")
    with heard(source, tmp_path, ONE_TO_TWO) as result:
        wanted = replace(result.tracks[0], wish=replace(result.tracks[0].wish, silence=()))
        with pytest.raises(FidelityBroken) as caught:
            prove_sound(result.written, [wanted])
    assert caught.value.reason == "sound_differs"


def test_packets_of_another_sound_are_caught(tmp_path: Path) -> None:
    """V-08: what was copied is what the source has."""
    source = clicks(tmp_path / "s.mp4", "-c:a", "aac")
    other = clicks(tmp_path / "o.mp4", "-c:a", "aac", "-af", "volume=0.5")
    with heard(source, tmp_path) as result, descriptor(other) as number:
        track = replace(result.tracks[0], wish=replace(result.tracks[0].wish, descriptor=number))
        with pytest.raises(FidelityBroken) as caught:
            prove_sound(result.written, [track])
    assert caught.value.reason == "sound_differs"


def test_the_same_sound_becomes_the_same_bytes(tmp_path: Path) -> None:
    """V-08, R-02: encoded twice, one digest."""
    source = clicks(tmp_path / "s.mkv", "-c:a", "flac")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with heard(source, tmp_path / "a") as first, heard(source, tmp_path / "b") as second:
        assert first.written.read_bytes() == second.written.read_bytes()
