"""The child that makes the pictures: decodes what was masked and checked, keeps exactly the frames asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from opendrape.domain.frames import frames_of, picture_name
from opendrape.domain.timeline import FrameSpan, Timeline
from opendrape.errors import FidelityBroken, PermanentError
from opendrape.media.child import serve
from opendrape.media.chunk_groups import read_chunk_groups
from opendrape.media.probe import probe
from opendrape.media.reader import Picture, read_pictures
from opendrape_masker.digests import digest_file
from opendrape_masker.frames.archive import ArchiveWriter, prove_archive
from opendrape_masker.frames.orders import FramesAnswer, FramesOrder, Piece
from opendrape_masker.frames.pictures import encoded, upright
from opendrape_masker.orders import read_timeline

Send = Callable[[dict[str, Any]], None]


def export_frames(spec: dict[str, Any], send: Send) -> dict[str, Any]:
    """Write the ZIP, read it back, digest it."""
    order = FramesOrder.model_validate(spec)
    names = _Export(order, read_timeline(order.timeline), send).run()
    prove_archive(order.archive, names)
    digest = digest_file(order.archive)
    return FramesAnswer(path=order.archive, sha256=digest.sha256, pictures=len(names)).model_dump(mode="json")


class _Export:
    """One ZIP."""

    def __init__(self, order: FramesOrder, timeline: Timeline, send: Send) -> None:
        self._order, self._timeline, self._send = order, timeline, send
        self._wanted = frames_of([one.chosen for one in order.segments])
        if self._wanted[-1].end > len(timeline):
            raise PermanentError("the frames are not within the video", reason="span_invalid")

    def run(self) -> list[str]:
        """The names that were written; ``FidelityBroken`` unless they are exactly the wanted ones."""
        expected = [frame for span in self._wanted for frame in span]
        names: list[str] = []
        with ArchiveWriter(self._order.archive, self._about()) as archive:
            for number, picture in enumerate(self._pictures()):
                if number >= len(expected) or picture.index != expected[number]:
                    raise FidelityBroken("another frame than asked for", reason="frames_differ")
                names += self._put(archive, picture)
                self._send({"progress": (number + 1) / len(expected)})
        if len(names) != sum(one.end - one.start for one in self._order.segments):
            raise FidelityBroken("frames are missing", reason="frames_differ")
        return names

    def _pictures(self) -> Iterator[Picture]:
        for piece in self._order.pieces:
            touching = [span for span in self._wanted if span.start < piece.end and piece.start < span.end]
            inside = [FrameSpan(max(span.start, piece.start), min(span.end, piece.end)) for span in touching]
            yield from self._of_chunk(piece, inside) if piece.path else self._of_video(piece, inside)

    def _of_chunk(self, piece: Piece, inside: list[FrameSpan]) -> Iterator[Picture]:
        assert piece.path is not None
        order = self._order
        for picture in read_chunk_groups(
            piece.path, media=order.media, timeline=self._timeline, threads=order.threads, spans=[piece.span]
        ):
            if any(picture.index in span for span in inside):
                yield picture

    def _of_video(self, piece: Piece, inside: list[FrameSpan]) -> Iterator[Picture]:
        assert piece.descriptor is not None
        limits = self._order.limits.typed()
        found = probe(piece.descriptor, limits)
        if len(found.timeline) != len(self._timeline):
            raise FidelityBroken("frame count differs", reason="fidelity_frame_count")
        for span in inside:
            yield from read_pictures(
                piece.descriptor,
                media=found.media,
                timeline=found.timeline,
                span=span,
                limits=limits,
                threads=self._order.threads,
            )

    def _put(self, archive: ArchiveWriter, picture: Picture) -> list[str]:
        order, frame = self._order, picture.index
        content = encoded(upright(picture, order.media), order.picture_format)
        seconds = self._timeline.seconds(frame)
        names = []
        for one in order.segments:
            if frame in one.chosen.span:
                names.append(picture_name(order.asset_id, one.segment_id, frame, order.picture_format))
                archive.add(names[-1], content, segment=one.segment_id, frame=frame, seconds=str(seconds))
        return names

    def _about(self) -> dict[str, Any]:
        segments = [
            {"segment": one.segment_id, "start_frame": one.start, "end_frame": one.end} for one in self._order.segments
        ]
        return {"video": self._order.asset_id, "policy": self._order.policy, "segments": segments}


if __name__ == "__main__":
    serve(export_frames)
