"""How pictures at a chunk's borders get the quality that they would have in one piece (V-10).

An encoder that starts in the middle of a video guesses its first quantiser, and one that stops does not know that its
last pictures would have been referred to. So it is fed, on either side, pictures of the chunk itself in reverse order;
what it makes of them is thrown away. The first picture that is kept is an IDR picture, the last one is not a B picture,
so that nothing that is kept refers to anything that is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import cycle, islice, pairwise
from typing import Final

from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from opendrape.media.scene_cut import is_cut

_MOST_PICTURES: Final = 12  # as far as the fast presets look ahead
_MOST_BYTES: Final = 160 * 2**20
_FEWEST_PICTURES: Final = 2
_LAST_PICTURES: Final = 1  # held back until it is known that none follows

Packets = list["Packet[VideoStream]"]
Encode = Callable[[VideoFrame | None], Packets]


class PaddedEncoder:
    """Encodes the pictures of one chunk; ``is_start`` and ``frames_in_all`` say whether a side is the video's own end.

    Frames come with ``pts`` set, strictly increasing, in units of which ``gap`` is the usual distance. Memory: at most
    a dozen pictures or 160 MB of them.
    """

    def __init__(self, encode: Encode, *, is_start: bool, frames_in_all: int, gap: int) -> None:
        self._encode, self._gap = encode, max(1, gap)
        self._is_start, self._frames_in_all = is_start, frames_in_all
        self._count = self._waiting = 0
        self._first: int | None = None
        self._opening: list[tuple[VideoFrame, int]] = []
        self._recent: deque[tuple[VideoFrame, int]] = deque()
        self._is_open = is_start

    def put(self, frame: VideoFrame) -> Packets:
        """Take one frame; the packets of kept frames that are done."""
        pts = frame.pts or 0
        self._first = pts if self._first is None else self._first
        self._count += 1
        if not self._is_open:
            self._opening.append((frame, pts))
            return self._open() if len(self._opening) > self._reach(frame) else []
        return self._advance(frame, pts)

    def finish(self) -> Packets:
        """The packets that are left."""
        done = [] if self._is_open else self._open()
        if not self._recent:
            return done + self._encode(None)
        is_whole = self._is_start and self._count == self._frames_in_all
        waiting, self._waiting = self._waiting, 0
        for frame, pts in list(self._recent)[-waiting:]:
            if not is_whole and pts != self._first:
                frame.pict_type = PictureType.I if self._is_cut_at(pts) else PictureType.P
            done += self._kept(self._send(frame, pts))
        for number, frame in enumerate(() if is_whole else self._going_on(), start=1):
            done += self._kept(self._send(frame, pts + number * self._gap), last=pts)
        return done + self._kept(self._encode(None), last=pts)

    def _open(self) -> Packets:
        """Encode the first pictures backwards for nothing, then in their order, from an IDR picture on."""
        self._is_open = True
        held, self._opening = self._opening, []
        done: Packets = []
        for number, (frame, _) in enumerate(reversed(held[1:])):
            frame.pict_type = PictureType.NONE
            done += self._kept(self._send(frame, (self._first or 0) - (len(held) - 1 - number) * self._gap))
        for number, (frame, pts) in enumerate(held):
            frame.pict_type = PictureType.I if number == 0 and len(held) > 1 else PictureType.NONE
            done += self._advance(frame, pts)
        return done

    def _advance(self, frame: VideoFrame, pts: int) -> Packets:
        """One picture waits, because the last one is encoded in another way."""
        self._recent.append((frame, pts))
        self._waiting += 1
        done: Packets = []
        if self._waiting > _LAST_PICTURES:
            done = self._kept(self._send(*self._recent[-self._waiting]))
            self._waiting -= 1
        if len(self._recent) > max(self._reach(frame), _LAST_PICTURES) + 1:
            self._recent.popleft()
        return done

    def _is_cut_at(self, pts: int) -> bool:
        """True for a kept picture whose scene begins with it: it was to be coded by itself."""
        return any(later[1] == pts and is_cut(earlier[0], later[0]) for earlier, later in pairwise(self._recent))

    def _going_on(self) -> Iterator[VideoFrame]:
        """The last scene backwards, and forwards again, as often as it takes."""
        scene = [self._recent[-1][0]]
        for earlier, later in list(pairwise(self._recent))[::-1]:
            if is_cut(earlier[0], later[0]):
                break
            scene.append(earlier[0])
        there_and_back = [*scene[1:], *scene[-2::-1]] or scene
        for frame in islice(cycle(there_and_back), self._reach(scene[0])):
            frame.pict_type = PictureType.NONE
            yield frame

    def _send(self, frame: VideoFrame, pts: int) -> Packets:
        frame.pts = pts
        return self._encode(frame)

    def _kept(self, packets: Packets, *, last: int | None = None) -> Packets:
        first = self._first or 0
        return [p for p in packets if p.pts is not None and p.pts >= first and (last is None or p.pts <= last)]

    @staticmethod
    def _reach(frame: VideoFrame) -> int:
        size = max(1, sum(plane.buffer_size for plane in frame.planes))
        return max(_FEWEST_PICTURES, min(_MOST_PICTURES, _MOST_BYTES // size))
