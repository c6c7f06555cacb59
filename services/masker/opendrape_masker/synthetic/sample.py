"""How one operation-like sample video with exact ground truth is made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from opendrape.media.sample_writer import SampleSound, SampleText, SampleVideo, SampleWriter
from opendrape_masker.synthetic import boxes
from opendrape_masker.synthetic.identity import Identity
from opendrape_masker.synthetic.picture import packed_planes
from opendrape_masker.synthetic.request import SampleRequest
from opendrape_masker.synthetic.scene import Scene
from opendrape_masker.synthetic.sound import speech_like
from opendrape_masker.synthetic.truth import SampleTruth, TrueBox

_SOUND = SampleSound()


def make_sample(folder: Path, request: SampleRequest | None = None, *, file_name: str | None = None) -> SampleTruth:
    """Write one sample into ``folder`` and return its truth (not written anywhere: see :meth:`SampleTruth.write`).

    The file name is full of identity unless given. Same request, same pictures. Raises ``FileExistsError``.
    """
    asked = request or SampleRequest()
    identity = Identity.of_seed(asked.seed)
    path = folder / (file_name or identity.file_name)
    if path.exists():
        raise FileExistsError("the sample is already there")
    folder.mkdir(parents=True, exist_ok=True)
    frames = _write(path, Scene.of(asked, identity))
    if asked.rotation:
        boxes.turn(path, asked.rotation, width=asked.width, height=asked.height)
    return _truth(path, asked, identity, frames)


def _truth(path: Path, asked: SampleRequest, identity: Identity, frames: list[tuple[TrueBox, ...]]) -> SampleTruth:
    words = dict.fromkeys(box.label for found in frames for box in found if box.kind == "text")
    return SampleTruth(
        file=path.name,
        seed=asked.seed,
        width=asked.width,
        height=asked.height,
        rotation=asked.rotation,
        time_base=asked.time_base,
        ticks=asked.ticks,
        frames=tuple(frames),
        canaries=identity.canaries,
        burned_in=tuple(words),
    )


def _write(path: Path, scene: Scene) -> list[tuple[TrueBox, ...]]:
    asked = scene.request
    sound = _SOUND if asked.sound else None
    frames, heard = [], 0
    with SampleWriter(path, _video(asked), sound=sound, text=_text(asked, scene.identity)) as writer:
        for frame, tick in enumerate(asked.ticks):
            if asked.sound and tick * asked.time_base >= heard:
                writer.write_sound(speech_like(heard, _SOUND.rate, seed=asked.seed))
                heard += 1
            canvas, found = scene.draw(frame)
            size = {"width": asked.width, "height": asked.height}
            writer.write_picture(tick, packed_planes(canvas, **size, pixel_format=asked.pixel_format))
            frames.append(found)
    return frames


def _video(asked: SampleRequest) -> SampleVideo:
    return SampleVideo(
        width=asked.width,
        height=asked.height,
        time_base=asked.time_base,
        rate=asked.rate,
        pixel_format=asked.pixel_format,
        codec=asked.codec,
        preset=asked.preset,
        crf=asked.crf,
        key_interval=asked.key_interval,
        threads=asked.threads,
    )


def _text(asked: SampleRequest, identity: Identity) -> SampleText:
    first, second = identity.chapter_titles
    return SampleText(
        tags=identity.tags,
        stream_title=identity.stream_title,
        user_text=identity.user_text,
        chapters=((Fraction(0), first), (Fraction(asked.seconds) / 2, second)),
    )
