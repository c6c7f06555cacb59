"""How the masker's children are started: limits, folders and models from the settings."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opendrape.adapters.store_folders import storage_errors
from opendrape.domain.media_info import MediaInfo
from opendrape.domain.output_rules import AudioRule
from opendrape.domain.policy import Policy
from opendrape.domain.regions import MarkedRegion
from opendrape.domain.scene_facts import ConfirmedInterval
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import PermanentError
from opendrape.media.child import ChildLimits, run_child
from opendrape.settings import Settings
from opendrape_masker.inference.line import inference_line
from opendrape_masker.orders import AssembleAnswer, AssembleOrder, Limits, MaskAnswer, MaskOrder, SoundOrder


def run_mask_child(
    settings: Settings,
    *,
    descriptor: int,
    media: MediaInfo,
    timeline: Path,
    span: FrameSpan,
    policy: Policy,
    folder: Path,
    on_progress: Callable[[float], None],
    regions: tuple[MarkedRegion, ...] = (),
    confirmed: tuple[ConfirmedInterval, ...] = (),
) -> MaskAnswer:
    """Mask one chunk of the open source, or one picture, in a child; its files are in ``folder`` afterwards."""
    policy.audio.check_complete()
    if not media.is_still:
        _check_encoder(policy)
    with inference_line(settings, policy.roles) as remote:
        order = MaskOrder(
            descriptor=descriptor,
            media=media,
            timeline=timeline,
            start=span.start,
            end=span.end,
            policy=policy,
            regions=regions,
            confirmed=confirmed,
            limits=limits_of(settings),
            threads=settings.masker_threads,
            window_bytes=settings.masker.window_memory_bytes,
            models_dir=settings.models_dir.absolute(),
            model_repository=tuple(folder.absolute() for folder in settings.model_repository),
            inference_seconds=settings.models.deadline_seconds,
            folder=folder,
            remote=remote,
        )
        limits = child_limits(settings, folder, (timeline, order.models_dir, *order.model_repository))
        passed = (descriptor, *((remote.requests, remote.answers) if remote else ()))
        module = "opendrape_masker.stills.still_child" if media.is_still else "opendrape_masker.chunk_child"
        answer = _run(module, order.model_dump(mode="json"), limits, on_progress, passed)
    return MaskAnswer.model_validate(answer)


def _check_encoder(policy: Policy) -> None:
    if policy.encode.encoder != "software":
        from opendrape.media.encoder_trial import check_encoder

        check_encoder(policy.encode)


def run_assemble_child(
    settings: Settings,
    *,
    chunks: tuple[Path, ...],
    media: MediaInfo,
    timeline: Path,
    folder: Path,
    on_progress: Callable[[float], None],
    audio: AudioRule = AudioRule(),
    descriptor: int | None = None,
) -> AssembleAnswer:
    """Join chunks in a child; the file is in ``folder`` afterwards. Sound that stays is read from ``descriptor``."""
    sound = _sound_order(settings, audio, descriptor)
    order = AssembleOrder(chunks=chunks, media=media, timeline=timeline, folder=folder, sound=sound)
    limits = child_limits(settings, folder, (timeline, *chunks))
    passed = () if sound is None else (sound.descriptor,)
    answer = _run("opendrape_masker.assemble_child", order.model_dump(mode="json"), limits, on_progress, passed)
    return AssembleAnswer.model_validate(answer)


def _sound_order(settings: Settings, audio: AudioRule, descriptor: int | None) -> SoundOrder | None:
    audio.check_complete()
    if audio.mode == "drop":
        return None
    if descriptor is None:
        raise PermanentError("sound is to be kept, but the source is not open", reason="source_unreadable")
    limits = limits_of(settings)
    return SoundOrder(descriptor=descriptor, rule=audio, limits=limits)


def limits_of(settings: Settings) -> Limits:
    """The settings' limits on untrusted media, as orders carry them."""
    return Limits(**settings.media.model_dump(include=set(Limits.model_fields)))


def child_limits(settings: Settings, folder: Path, readable: tuple[Path, ...]) -> ChildLimits:
    """What a masker child may use: memory, silence, its own folder, and what it must read."""
    return ChildLimits(
        memory_bytes=settings.masker.child_memory_bytes,
        silence_seconds=settings.masker.child_silence_seconds,
        writable=(folder,),
        readable=readable,
    )


@contextmanager
def scratch_folder(settings: Settings) -> Iterator[Path]:
    """A folder of a child's own with a random name, gone afterwards."""
    folder = (settings.scratch_dir / secrets.token_hex(12)).absolute()
    with storage_errors():
        folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    module: str,
    spec: dict[str, Any],
    limits: ChildLimits,
    on_progress: Callable[[float], None],
    descriptors: tuple[int, ...],
) -> dict[str, Any]:
    latest = [0.0]

    def hear(message: dict[str, Any]) -> None:
        latest[0] = float(message.get("progress", latest[0]))
        on_progress(latest[0])

    return run_child(
        module,
        spec,
        pass_descriptors=descriptors,
        limits=limits,
        on_message=hear,
        on_idle=lambda: on_progress(latest[0]),
    )
