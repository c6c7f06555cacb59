"""When every packet of a stream is shown, without decoding more than the first pictures."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from opendrape.errors import MediaRefused
from opendrape.media.limits import MediaLimits

FIRST_PICTURES = 3


@dataclass
class Scan:
    """What was seen: times in ticks, in order of presentation once all is read.

    ``is_trustworthy`` is False when only decoding tells what is really shown.
    """

    ticks: array[int] = field(default_factory=lambda: array("q"))
    key_ticks: array[int] = field(default_factory=lambda: array("q"))
    last_tick: int | None = None
    last_duration: int = 0
    is_trustworthy: bool = True
    is_numbered: bool = False
    first_pictures: list[VideoFrame] = field(default_factory=list)

    def shown(self, tick: int, duration: int) -> None:
        """Remember one shown frame."""
        self.ticks.append(tick)
        if self.last_tick is None or tick > self.last_tick:
            self.last_tick, self.last_duration = tick, duration


def scan_packets(packets: Iterable[Packet[VideoStream]], limits: MediaLimits) -> Scan:
    """Read all packets; decode only until the first pictures are out."""
    scan = Scan()
    for packet in packets:
        check_not_encrypted(packet)
        if len(scan.first_pictures) < FIRST_PICTURES:
            scan.first_pictures += packet.decode()
        if packet.size:
            _note(scan, packet, limits)
    scan.ticks = array("q", sorted(scan.ticks))
    return scan


def scan_pictures(packets: Iterable[Packet[VideoStream]], limits: MediaLimits, *, times_may_be_guessed: bool) -> Scan:
    """Decode everything; the ticks are those of the pictures that really come out, in that order.

    ``times_may_be_guessed``: the container knows decode times only (AVI); FFmpeg's guess at the others can be wrong.
    """
    scan, packet_ticks, untimed = Scan(), array("q"), 0
    for packet in packets:
        check_not_encrypted(packet)
        if packet.is_keyframe and packet.pts is not None and not packet.is_discard:
            scan.key_ticks.append(packet.pts)
        if packet.size and packet.dts is not None:
            packet_ticks.append(packet.dts)
        for frame in packet.decode():
            _note_picture(scan, frame, limits)
            untimed += frame.pts is None
    if untimed or (times_may_be_guessed and not increases(scan.ticks)):
        _number_by_order(scan, packet_ticks)
    return scan


def _note(scan: Scan, packet: Packet[VideoStream], limits: MediaLimits) -> None:
    if packet.is_corrupt:
        raise MediaRefused(reason="truncated")
    if packet.is_discard:
        return
    if packet.pts is None:
        scan.is_trustworthy = False
        return
    if scan.ticks and packet.pts < scan.ticks[0]:
        scan.is_trustworthy = False  # leading pictures: whether they come out is the decoder's choice
    scan.shown(packet.pts, packet.duration or 0)
    if packet.is_keyframe:
        scan.key_ticks.append(packet.pts)
    limits.check_frames(len(scan.ticks))


def _note_picture(scan: Scan, frame: VideoFrame, limits: MediaLimits) -> None:
    if frame.is_corrupt:
        raise MediaRefused(reason="corrupt")
    if len(scan.first_pictures) < FIRST_PICTURES:
        scan.first_pictures.append(frame)
    scan.shown(frame.pts if frame.pts is not None else len(scan.ticks), frame.duration)
    limits.check_frames(len(scan.ticks))


def _number_by_order(scan: Scan, packet_ticks: array[int]) -> None:
    """Pictures without times of their own: the n-th picture is shown at the n-th decode time.

    Such a video can only be read from its start, so it has one key frame.
    """
    if len(packet_ticks) != len(scan.ticks):
        raise MediaRefused(reason="timestamps_unusable")
    scan.ticks, scan.key_ticks, scan.is_numbered = packet_ticks, array("q"), True
    scan.last_tick, scan.last_duration = packet_ticks[-1], 0


def increases(ticks: Sequence[int]) -> bool:
    """True when every tick is later than the one before."""
    return all(earlier < later for earlier, later in pairwise(ticks))


def check_not_encrypted(packet: Packet[VideoStream]) -> None:
    """Raise :class:`MediaRefused` (``encrypted``) for a packet that only its key can open."""
    if packet.has_sidedata("encryption_info"):
        raise MediaRefused(reason="encrypted")
