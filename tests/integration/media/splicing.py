"""How the tests cut a source into groups, copy some, encode the others, and look at what came out."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import av

from opendrape.domain.timeline import FrameSpan
from opendrape.media.assemble import assemble
from opendrape.media.avc_configuration import joint_record, stream_head
from opendrape.media.bits import golomb, payload_of, unsigned
from opendrape.media.copying import Copyable, Group, NotCopyable, copyable_groups
from opendrape.media.picture import Picture
from opendrape.media.probe import ProbeResult
from opendrape.media.spliced_writer import SplicedWriter
from opendrape.media.writer import read_chunk
from tests.integration.media.footage import FAST, LIMITS, descriptor, pictures, probed

Choice = Callable[[int, Group], str]
"""How the n-th group is treated: ``encode``, ``copy`` or ``replace`` (encoded first, then copied instead)."""


@dataclass(frozen=True)
class Spliced:
    """What was made of a source: its chunks, and the spans that were copied."""

    found: ProbeResult
    source: Copyable
    chunks: tuple[Path, ...]
    spans: tuple[FrameSpan, ...]
    copied: tuple[FrameSpan, ...]

    @property
    def copied_frames(self) -> list[int]:
        """Indices of the frames that were not encoded."""
        return [frame for span in self.copied for frame in span]


def groups_of(path: Path, span: FrameSpan | None = None) -> Copyable | NotCopyable:
    """What can be copied of a file."""
    found = probed(path)
    with descriptor(path) as number:
        return copyable_groups(
            number, media=found.media, timeline=found.timeline, limits=LIMITS, encode=FAST, span=span
        )


def every_second(number: int, group: Group) -> str:
    """Encode, copy, encode, replace, encode ..."""
    return ("encode", "copy", "encode", "replace")[number % 4] if group.is_copyable else "encode"


def write_spliced(
    path: Path, chunk: Path, *, choice: Choice, span: FrameSpan | None = None, first: int = 0
) -> tuple[FrameSpan, ...]:
    """Write one chunk, whose first group is number ``first``; returns the spans that were copied."""
    found, source, copied = probed(path), groups_of(path, span), []
    assert isinstance(source, Copyable), source
    with (
        descriptor(path) as number,
        SplicedWriter(
            chunk, media=found.media, encode=FAST, threads=2, source=source, descriptor=number, limits=LIMITS
        ) as writer,
    ):
        for count, group in enumerate(source.groups, first):
            how = choice(count, group)
            if how == "copy":
                writer.copy(group.span)
            else:
                for picture in pictures(path, found, group.span):
                    writer.write(picture)
            if how == "replace":
                writer.copy_instead(group.span)
            if how != "encode":
                copied.append(group.span)
    return tuple(copied)


def splice(path: Path, folder: Path, *, choice: Choice = every_second, chunks: int = 2) -> Spliced:
    """Write a source as up to ``chunks`` chunks, cut between two groups, treated by ``choice``."""
    found, source = probed(path), groups_of(path)
    assert isinstance(source, Copyable), source
    cuts = _cuts(source, chunks)
    spans = tuple(FrameSpan(a, b) for a, b in pairwise(cuts))
    written, copied = [], []
    for number, span in enumerate(spans):
        chunk = folder / f"{number}.chunk"
        first = sum(group.span.start < span.start for group in source.groups)
        copied += write_spliced(path, chunk, choice=choice, span=span, first=first)
        written.append(chunk)
    return Spliced(found, source, tuple(written), spans, tuple(copied))


def _cuts(source: Copyable, chunks: int) -> list[int]:
    starts = [group.span.start for group in source.groups]
    return [*starts[:: -(-len(starts) // chunks)], source.span.end]


def put_together(spliced: Spliced, destination: Path) -> Path:
    """The chunks as one file."""
    assemble(list(spliced.chunks), destination, media=spliced.found.media, timeline=spliced.found.timeline)
    return destination


def digest(picture: Picture) -> str:
    """A digest of what is seen, without the padding of the rows."""
    found = sha256()
    for plane in picture.planes:
        width = plane.width * plane.sample_bytes
        if plane.stride == width:
            found.update(plane.memory[: width * plane.height])
            continue
        for row in range(plane.height):
            found.update(plane.memory[row * plane.stride : row * plane.stride + width])
    return found.hexdigest()


def largest_difference(path: Path, spliced: Spliced) -> float:
    """Mean absolute difference from the source in the worst row of samples, over every seventh of them."""
    written = (
        picture for chunk in spliced.chunks for picture in read_chunk(chunk, media=spliced.found.media, threads=2)
    )
    return max(
        sum(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / len(ours)
        for one, other in zip(written, pictures(path, spliced.found), strict=True)
        for ours, theirs in zip(_samples(one), _samples(other), strict=True)
    )


def _samples(picture: Picture) -> list[bytes]:
    rows = ((plane, row * plane.stride) for plane in picture.planes for row in range(0, plane.height, 7))
    return [bytes(plane.memory[start : start + plane.width : 7]) for plane, start in rows]


def strict_digests(path: Path, at: Sequence[int] | None = None) -> list[tuple[int, str]]:
    """Time and digest of the frames of a file; the least doubt is an error. ``at``: one frame each, after a seek."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode+crccheck+bitstream+buffer"}
        if at is None:
            return [_seen(frame) for frame in container.decode(stream)]
        return [_after_seek(container, tick) for tick in at]


def _after_seek(container: av.container.InputContainer, tick: int) -> tuple[int, str]:
    stream = container.streams.video[0]
    container.seek(tick, stream=stream, backward=True)
    return _seen(next(frame for frame in container.decode(stream) if frame.pts is not None and frame.pts >= tick))


def _seen(frame: av.VideoFrame) -> tuple[int, str]:
    assert not frame.is_corrupt
    assert frame.pts is not None
    return frame.pts, digest(Picture(frame, index=0, tick=0))


def with_restriction(source: Path, destination: Path, said: str) -> Path:
    """The same packets under a head that says ``said`` (bits) of how far pictures are reordered; ``0``: nothing."""
    with av.open(str(source)) as container, av.open(str(destination), "w") as output:
        stream = container.streams.video[0]
        head = stream_head(stream.codec_context.extradata or b"")
        found = head.sequence
        bits = "".join(unsigned(value, 8) for value in (found.profile, found.constraints, found.level))
        bits += golomb(found.number) + found.format.bits + found.coding.bits
        bits += "1" + (found.description.bits if found.description else "00000") + "000" + said
        target = output.add_stream_from_template(stream, opaque=True)
        target.codec_context.extradata = joint_record([(b"\x67" + payload_of(bits), head.picture_units)])
        for packet in container.demux(stream):
            if packet.size:
                packet.stream = target
                output.mux(packet)
    return destination


def some(values: Sequence[int], count: int) -> list[int]:
    """``count`` of the values, the same ones each time."""
    return random.Random(7).choices(values, k=count)
