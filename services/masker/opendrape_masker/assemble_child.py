"""The child that joins masked chunks into one file and proves it: packets, times, no tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opendrape.domain.sound import SoundFacts, silences
from opendrape.domain.timeline import Timeline
from opendrape.errors import ScrubIncomplete
from opendrape.media.assemble import assemble, prove
from opendrape.media.child import serve
from opendrape.media.scrub import removed, survivors
from opendrape.media.sound_proof import prove_sound
from opendrape.media.sound_tracks import SoundTrack, SoundWish, sound_tracks
from opendrape_masker.digests import digest_file
from opendrape_masker.orders import AssembleAnswer, AssembleOrder, read_timeline


def assemble_chunks(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Plan the sound, assemble, prove, look for survivors, digest; in this order."""
    order = AssembleOrder.model_validate(spec)
    timeline = read_timeline(order.timeline)
    path = order.folder / "masked.mp4"
    tracks = _tracks(order, timeline)
    assemble(order.chunks, path, media=order.media, timeline=timeline, sounds=tracks)
    send({"progress": 0.4})
    prove(path, order.chunks, media=order.media, timeline=timeline, sounds=len(tracks))
    prove_sound(path, tracks)
    send({"progress": 0.7})
    if left := survivors(path, sounds=len(tracks)):
        raise ScrubIncomplete(", ".join(left))
    digest = digest_file(path)
    answer = AssembleAnswer(
        path=path,
        sha256=digest.sha256,
        md5=digest.md5,
        size_bytes=digest.size_bytes,
        scrub=removed(order.media, sounds=len(tracks)),
        sound=_facts(order, tracks),
    )
    return answer.model_dump(mode="json")


def _tracks(order: AssembleOrder, timeline: Timeline) -> tuple[SoundTrack, ...]:
    if order.sound is None:
        return ()
    rule = order.sound.rule
    return sound_tracks(
        SoundWish(
            descriptor=order.sound.descriptor,
            media=order.media,
            limits=order.sound.limits.typed(),
            silence=silences(rule.intervals, timeline, origin_tick=order.media.origin_tick),
            copy=rule.copy_packets,
        )
    )


def _facts(order: AssembleOrder, tracks: tuple[SoundTrack, ...]) -> SoundFacts:
    return SoundFacts(
        mode=order.sound.rule.mode if order.sound else "drop",
        dropped=order.media.other_streams.audio - len(tracks),
        tracks=tuple(track.facts for track in tracks),
    )


if __name__ == "__main__":
    serve(assemble_chunks)
