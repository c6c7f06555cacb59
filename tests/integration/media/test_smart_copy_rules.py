"""What may be copied at all, what of it is written, and what happens when the writer is used wrongly (V-11)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from av.packet import Packet

from opendrape.domain.media_info import ColourTags
from opendrape.domain.timeline import FrameSpan
from opendrape.errors import FidelityBroken
from opendrape.media.assemble import assemble
from opendrape.media.avc_configuration import stream_head
from opendrape.media.bits import golomb
from opendrape.media.chunk_groups import prove_copied, read_chunk_groups
from opendrape.media.chunk_packets import chunk_packets, opened_chunk, packet_units
from opendrape.media.copying import Copyable, NotCopyable, copyable_groups
from opendrape.media.inserted_encoder import InsertedEncoder
from opendrape.media.movie_boxes import all_boxes, opened_boxes
from opendrape.media.nal_units import PICTURE_DATA, unit_type
from opendrape.media.opening import opened_video
from opendrape.media.parameter_sets import sequence_set
from opendrape.media.scrub import survivors
from opendrape.media.source_packets import SourcePackets
from opendrape.media.spliced_writer import SplicedWriter
from opendrape.media.writer import read_chunk
from tests.integration.media.footage import FAST, LIMITS, clip, descriptor, ffmpeg, pattern, pictures, probed
from tests.integration.media.splicing import (
    digest,
    every_second,
    groups_of,
    put_together,
    splice,
    strict_digests,
    with_restriction,
    write_spliced,
)

_X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "fast")
_SAID = "086f3693-b7b3-4f2c-9653-21492feee5b8+Jane Doe"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four groups of twenty frames with B frames, every message an encoder writes, and a name in one."""
    extras = ("-x264-params", "aud=1:repeat-headers=1:nal-hrd=vbr:b-pyramid=normal", "-b:v", "1M", "-maxrate", "1M")
    said = ("-bufsize", "1M", "-bsf:v", f"h264_metadata=sei_user_data={_SAID}")
    return pattern(tmp_path / "source.mkv", *_X264, "-g", "20", *extras, *said, seconds="3.2")


def test_the_source_says_more_than_pictures(source: Path) -> None:
    """V-09: otherwise the test below would prove nothing."""
    content = source.read_bytes()
    assert b"Jane Doe" in content
    assert b"x264 - core" in content


def test_of_the_source_only_slices_are_written(source: Path, tmp_path: Path) -> None:
    """V-09, V-11: no SEI, no delimiter, no filler, no parameter sets in the packets, no name."""
    spliced = splice(source, tmp_path, choice=lambda number, group: "copy")
    out = put_together(spliced, tmp_path / "out.mp4")
    for path in (*spliced.chunks, out):
        content = path.read_bytes()
        assert not [word for word in (b"Jane", b"x264", b"Lavf", b"Lavc") if word in content]
    for chunk in spliced.chunks:
        with opened_chunk(chunk) as stream:
            for packet, _ in chunk_packets(stream, spliced.found.media):
                assert {unit_type(unit) for unit in packet_units(stream, packet)} <= PICTURE_DATA
    assert survivors(out) == ()


def test_a_head_that_holds_more_than_parameter_sets_is_not_clean(source: Path, tmp_path: Path) -> None:
    """V-09: the written file is looked at again, its head too."""
    out = put_together(splice(source, tmp_path), tmp_path / "out.mp4")
    assert survivors(out) == ()
    with opened_boxes(out) as file:
        end = dict(all_boxes(file))[b"moov/trak/mdia/minf/stbl/stsd/avc1/avcC"].end
    content = bytearray(out.read_bytes())
    content[end - 1] = 1
    out.write_bytes(content)
    assert "unexpected_nal_unit" in survivors(out)


def test_the_same_calls_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    """I-06: a chunk that is done twice has one name."""
    for name in ("a", "b"):
        write_spliced(source, tmp_path / name, choice=every_second)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_chunks_share_one_head_whatever_was_copied(source: Path, tmp_path: Path) -> None:
    """V-11: a chunk does not know what the others do, and all become one file."""
    found, first = probed(source), FrameSpan(0, 40)
    write_spliced(source, tmp_path / "encoded", choice=lambda number, group: "encode", span=first)
    write_spliced(source, tmp_path / "copied", choice=lambda number, group: "copy", span=FrameSpan(40, 80))
    heads = []
    for name in ("encoded", "copied"):
        with opened_chunk(tmp_path / name) as stream:
            heads.append(stream.codec_context.extradata)
    assert heads[0] == heads[1]
    chunks = [tmp_path / "encoded", tmp_path / "copied"]
    assemble(chunks, tmp_path / "out.mp4", media=found.media, timeline=found.timeline)
    assert len(strict_digests(tmp_path / "out.mp4")) == 80


def test_both_parameter_sets_say_the_same_about_showing(source: Path, tmp_path: Path) -> None:
    """V-10, V-11: profile, aspect, colour, timing and buffering; the head promises the higher level."""
    spliced = splice(source, tmp_path)
    out = put_together(spliced, tmp_path / "out.mp4")
    with av.open(str(out)) as container:
        record = container.streams.video[0].codec_context.extradata or b""
        assert str(container.streams.video[0].codec_context.codec_tag) == "avc1"
    size = int.from_bytes(record[6:8])
    second = 8 + size
    sets = [
        sequence_set(record[8:second]),
        sequence_set(record[second + 2 : second + 2 + int.from_bytes(record[second : second + 2])]),
    ]
    assert sets[0].number != sets[1].number
    assert sets[0].profile == sets[1].profile == record[1]
    assert max(found.level for found in sets) == record[3]
    assert sets[0].description == sets[1].description
    assert sets[0].description is not None
    assert sets[0].coding.references == sets[1].coding.references
    assert [(found.reordered, found.buffered) for found in sets] == [(2, 4), (2, 4)]


def test_a_group_can_be_given_back_at_any_picture(source: Path, tmp_path: Path) -> None:
    """V-11: speculation: encode until it is known that nothing was painted."""
    found, groups = probed(source), groups_of(source)
    assert isinstance(groups, Copyable)
    spans = [group.span for group in groups.groups]
    assert [len(span) for span in spans] == [20, 20, 20, 20]
    with (
        descriptor(source) as number,
        SplicedWriter(
            tmp_path / "c", media=found.media, encode=FAST, threads=2, source=groups, descriptor=number, limits=LIMITS
        ) as writer,
    ):
        for span, given in zip(spans, (1, 20, 20, 7), strict=True):
            for picture in pictures(source, found, FrameSpan(span.start, span.start + given)):
                writer.write(picture)
            if span != spans[2]:
                writer.copy_instead(span)
    meant = [digest(picture) for picture in pictures(source, found)]
    written = [digest(picture) for picture in read_chunk(tmp_path / "c", media=found.media, threads=2)]
    assert len(written) == 80
    same = {frame for frame in range(80) if written[frame] == meant[frame]}
    assert same >= {*range(40), *range(60, 80)}
    assert not same >= set(range(40, 60))


def _first(writer: SplicedWriter, source: Path, count: int, start: int = 0) -> None:
    for picture in pictures(source, probed(source), FrameSpan(start, start + count)):
        writer.write(picture)


MISUSE: dict[str, tuple[Callable[[SplicedWriter, Path], object], type[Exception]]] = {
    "a frame is left out": (lambda writer, source: _first(writer, source, 1, 1), FidelityBroken),
    "the end is missing": (lambda writer, source: _first(writer, source, 10), FidelityBroken),
    "nothing is written": (lambda writer, source: None, FidelityBroken),
    "a copy leaves a gap": (lambda writer, source: writer.copy(FrameSpan(20, 40)), FidelityBroken),
    "half a group": (lambda writer, source: writer.copy(FrameSpan(0, 10)), ValueError),
    "beyond the span": (lambda writer, source: writer.copy(FrameSpan(80, 100)), ValueError),
    "nothing to replace": (lambda writer, source: writer.copy_instead(FrameSpan(0, 20)), ValueError),
    "too late to replace": (
        lambda writer, source: (_first(writer, source, 21), writer.copy_instead(FrameSpan(0, 20))),
        ValueError,
    ),
}


@pytest.mark.parametrize("how", MISUSE)
def test_a_writer_used_wrongly_leaves_no_chunk_that_looks_right(how: str, source: Path, tmp_path: Path) -> None:
    """V-11: every frame exactly once and in order, or an error."""
    found, groups = probed(source), groups_of(source)
    assert isinstance(groups, Copyable)
    act, error = MISUSE[how]
    with (
        pytest.raises(error),
        descriptor(source) as number,
        SplicedWriter(
            tmp_path / "c", media=found.media, encode=FAST, threads=1, source=groups, descriptor=number, limits=LIMITS
        ) as writer,
    ):
        act(writer, source)


def test_single_groups_are_read_back(source: Path, tmp_path: Path) -> None:
    """V-11: the check decodes what was encoded and needs nothing of what was copied."""
    found, spans = probed(source), [FrameSpan(0, 20), FrameSpan(40, 60)]
    write_spliced(source, tmp_path / "c", choice=every_second)
    whole = {picture.index: digest(picture) for picture in read_chunk(tmp_path / "c", media=found.media, threads=2)}
    read = read_chunk_groups(tmp_path / "c", media=found.media, timeline=found.timeline, threads=2, spans=spans)
    seen = {picture.index: (picture.tick, digest(picture)) for picture in read}
    assert seen == {frame: (found.timeline.ticks[frame], whole[frame]) for span in spans for frame in span}


@pytest.mark.parametrize("span", [FrameSpan(10, 20), FrameSpan(0, 10), FrameSpan(70, 81)])
def test_what_is_no_group_is_not_read_back(span: FrameSpan, source: Path, tmp_path: Path) -> None:
    """V-11: a check that looks at fewer frames than it was told never passes."""
    found = probed(source)
    write_spliced(source, tmp_path / "c", choice=every_second)
    with pytest.raises(FidelityBroken):
        list(read_chunk_groups(tmp_path / "c", media=found.media, timeline=found.timeline, threads=1, spans=[span]))


@pytest.fixture
def plain(tmp_path: Path) -> tuple[Path, Path]:
    """A source without B frames, and a chunk of it: twenty frames copied, twenty encoded."""
    source = pattern(tmp_path / "plain.mp4", *_X264, "-g", "20", "-bf", "0", seconds="1.6")
    write_spliced(source, tmp_path / "c", choice=lambda number, group: ("copy", "encode")[number])
    return source, tmp_path / "c"


def _changed(chunk: Path, source: Path, change: Callable[[list[Packet]], list[Packet]]) -> Path:
    """The chunk written anew, its packets changed."""
    changed = chunk.with_name("changed")
    options = {"avoid_negative_ts": "disabled"}
    with (
        av.open(str(chunk)) as container,
        av.open(str(changed), "w", format="nut", container_options=options) as output,
    ):
        stream = container.streams.video[0]
        target = output.add_stream_from_template(stream, opaque=True)
        packets = [packet for packet in container.demux(stream) if packet.size]
        for packet in change(packets):
            packet.stream = target
            output.mux(packet)
    return changed


def _times_exchanged(packets: list[Packet]) -> list[Packet]:
    for packet in packets:
        packet.dts = (packet.pts or 0) - 1_000_000
    packets[30].pts, packets[31].pts = packets[31].pts, packets[30].pts
    return packets


CHANGES: dict[str, Callable[[list[Packet]], list[Packet]]] = {
    "two frames exchanged": _times_exchanged,
    "the last one is gone": lambda packets: packets[:-1],
    "one is gone": lambda packets: packets[:30] + packets[31:],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_chunk_that_lost_or_exchanged_frames_is_not_read_back(change: str, plain: tuple[Path, Path]) -> None:
    """V-10, V-11: every frame of a group, each at its time."""
    source, chunk = plain
    found, span = probed(source), FrameSpan(20, 40)
    changed = _changed(chunk, source, CHANGES[change])
    with pytest.raises(FidelityBroken):
        list(read_chunk_groups(changed, media=found.media, timeline=found.timeline, threads=1, spans=[span]))


def test_half_a_group_is_not_read_back_even_if_it_could_be(plain: tuple[Path, Path]) -> None:
    """V-11: what follows may be needed to show it."""
    source, chunk = plain
    found = probed(source)
    with pytest.raises(FidelityBroken):
        list(read_chunk_groups(chunk, media=found.media, timeline=found.timeline, threads=1, spans=[FrameSpan(20, 30)]))


def test_one_other_bit_in_a_copied_packet_is_found(source: Path, tmp_path: Path) -> None:
    """V-11: the proof compares every slice with the source's."""
    groups, chunk = groups_of(source), tmp_path / "c"
    assert isinstance(groups, Copyable)
    copied = write_spliced(source, chunk, choice=every_second)
    with descriptor(source) as number:
        assert prove_copied(chunk, number, source=groups, spans=copied, limits=LIMITS) == 40
        with pytest.raises(FidelityBroken):
            prove_copied(chunk, number, source=groups, spans=[FrameSpan(0, 20)], limits=LIMITS)
    content = bytearray(chunk.read_bytes())
    content[-1000] ^= 1
    chunk.write_bytes(content)
    with descriptor(source) as number, pytest.raises(FidelityBroken) as caught:
        prove_copied(chunk, number, source=groups, spans=copied, limits=LIMITS)
    assert caught.value.reason == "copied_packet_differs"


NOT_COPYABLE: dict[str, tuple[str, ...]] = {
    "smart_render_codec": ("-c:v", "libx265", "-x265-params", "log-level=none"),
    "smart_render_bit_depth": ("-c:v", "libx264", "-pix_fmt", "yuv420p10le"),
    "smart_render_pixel_format": ("-c:v", "libx264", "-pix_fmt", "yuv422p"),
    "smart_render_interlaced": (*_X264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    "smart_render_profile": (*_X264, "-qp", "0"),
}


@pytest.mark.parametrize("reason", NOT_COPYABLE)
def test_what_cannot_be_proven_is_not_copied(reason: str, tmp_path: Path) -> None:
    """V-11: with the reason for the report."""
    assert groups_of(pattern(tmp_path / "s.mp4", *NOT_COPYABLE[reason])) == NotCopyable(reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"crf": 0}, "smart_render_lossless"),
        ({"codec": "hevc"}, "smart_render_codec"),
        ({"encoder": "nvenc"}, "smart_render_codec"),
    ],
)
def test_a_rule_that_does_not_fit_the_source_copies_nothing(
    change: dict[str, object], reason: str, source: Path
) -> None:
    """V-11: what is encoded must be able to stand beside what is copied."""
    found = probed(source)
    with descriptor(source) as number:
        rule = FAST.model_copy(update=change)
        groups = copyable_groups(number, media=found.media, timeline=found.timeline, limits=LIMITS, encode=rule)
    assert groups == NotCopyable(reason)


def _reasons(path: Path, span: FrameSpan | None = None) -> list[tuple[int, int, str | None]]:
    groups = groups_of(path, span)
    assert isinstance(groups, Copyable), groups
    return [(group.span.start, group.span.end, group.reason) for group in groups.groups]


def test_open_groups_are_copied_together_or_not_at_all(tmp_path: Path) -> None:
    """V-11: pictures before an open group's first need the group before; only IDR pictures part groups."""
    source = pattern(
        tmp_path / "s.mp4", *_X264, "-g", "10", "-bf", "3", "-x264-params", "open-gop=1:b-adapt=0", seconds="2"
    )
    assert probed(source).media.key_frames > 2
    assert _reasons(source) == [(0, 50, None)]
    cut = probed(source).timeline.key_frames[2]
    assert _reasons(source, FrameSpan(0, cut)) == [(0, cut, "smart_render_cut_group")]
    assert _reasons(source, FrameSpan(cut, 50))[0][2] == "smart_render_open_group"


def test_a_chunk_knows_the_same_groups_as_the_whole(source: Path) -> None:
    """V-11, I-06: only the packets of a chunk are looked at."""
    whole = _reasons(source)
    assert _reasons(source, FrameSpan(0, 40)) + _reasons(source, FrameSpan(40, 80)) == whole
    assert _reasons(source, FrameSpan(0, 30))[-1] == (20, 30, "smart_render_cut_group")


@pytest.mark.media
def test_a_group_that_an_edit_list_cuts_into_is_not_copied() -> None:
    """V-11: its first pictures are decoded but never shown."""
    assert {reason for _, _, reason in _reasons(clip("odd/negative_start_editlist.mp4"))} == {
        "smart_render_hidden_pictures"
    }


def test_only_the_groups_that_an_edit_list_leaves_whole_are_copied(tmp_path: Path) -> None:
    """V-11: a film that was trimmed without encoding it anew."""
    whole = pattern(tmp_path / "whole.mp4", *_X264, "-g", "20", "-bf", "2", seconds="4")
    trimmed = tmp_path / "trimmed.mp4"
    ffmpeg("-ss", "0.3", "-i", whole, "-c", "copy", trimmed)
    reasons = _reasons(trimmed)
    assert reasons[0][2] == "smart_render_hidden_pictures"
    assert {reason for _, _, reason in reasons[1:]} == {None}
    spliced = splice(trimmed, tmp_path, choice=lambda number, group: "copy" if group.is_copyable else "encode")
    out = put_together(spliced, tmp_path / "out.mp4")
    shown = [seen for _, seen in strict_digests(out)]
    meant = [digest(picture) for picture in pictures(trimmed, spliced.found)]
    assert len(spliced.copied_frames) == sum(end - start for start, end, reason in reasons if reason is None)
    assert [shown[frame] for frame in spliced.copied_frames] == [meant[frame] for frame in spliced.copied_frames]


@pytest.mark.parametrize(("waits", "reason"), [(1, "smart_render_reordering"), (2, None)])
def test_pictures_that_wait_longer_than_was_said_are_not_copied(waits: int, reason: str | None, tmp_path: Path) -> None:
    """V-11: a player that believes the head would show them in another order beside ours."""
    source = pattern(tmp_path / "source.mp4", *_X264, "-g", "20", "-bf", "3", "-x264-params", "b-adapt=0")
    said = "1" + "1" + golomb(0) * 2 + golomb(11) * 2 + golomb(waits) + golomb(4)
    assert {found for _, _, found in _reasons(with_restriction(source, tmp_path / "s.mp4", said))} == {reason}


@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
@pytest.mark.parametrize("preset", ["ultrafast", "medium", "veryslow"])
def test_the_encoder_never_does_more_than_the_source(profile: str, preset: str, tmp_path: Path) -> None:
    """V-11: profile, references and reordering of what is put between."""
    source = pattern(tmp_path / "s.mp4", *_X264, "-profile:v", profile, "-refs", "2", "-bf", "1")
    found, groups = probed(source), groups_of(source)
    assert isinstance(groups, Copyable)
    rule = FAST.model_copy(update={"preset": preset})
    encoder = InsertedEncoder(media=found.media, encode=rule, threads=1, needs=groups.needs, shift=0)
    ours, theirs = stream_head(encoder.extradata).sequence, groups.head.sequence
    assert ours.profile <= theirs.profile
    assert ours.coding.references == theirs.coding.references
    assert ours.reordered == theirs.reordered


def test_parameters_that_change_on_the_way_end_the_copying(tmp_path: Path) -> None:
    """V-11: a joined recording; the second half was encoded with another set of the same number."""
    for name, references in (("a.ts", "1"), ("b.ts", "3")):
        pattern(tmp_path / name, *_X264, "-g", "25", "-bf", "0", "-refs", references, seconds="2")
    (tmp_path / "list").write_text("file a.ts\nfile b.ts\n")
    ffmpeg("-f", "concat", "-i", tmp_path / "list", "-c", "copy", tmp_path / "s.ts")
    groups = groups_of(tmp_path / "s.ts")
    assert isinstance(groups, Copyable)
    first, last = groups.groups[0], groups.groups[-1]
    assert (first.reason, last.reason) == (None, "smart_render_changing_parameters")
    with descriptor(tmp_path / "s.ts") as number, opened_video(number, LIMITS, threads=1) as video:
        packets = SourcePackets(video, groups.head, groups.timeline)
        assert len(list(packets.of(first.span))) == len(first.span)
        with pytest.raises(FidelityBroken) as caught:
            list(packets.of(last.span))
    assert caught.value.reason == "source_group_differs"


def test_short_groups_are_joined(tmp_path: Path) -> None:
    """V-11: half a second at least, so that encoding one does not cost a key frame every few pictures."""
    source = pattern(tmp_path / "s.mp4", *_X264, "-g", "5", seconds="2")
    assert [(start, end) for start, end, _ in _reasons(source)] == [(0, 15), (15, 30), (30, 45), (45, 50)]


FACTS: dict[str, dict[str, object]] = {
    "smart_render_times": {"frames_numbered": True},
    "smart_render_geometry": {"height": 96},
    "smart_render_colour": {"colour": ColourTags(primaries=9, transfer=18, matrix=9)},
}


@pytest.mark.parametrize("reason", FACTS)
def test_facts_that_a_head_contradicts_forbid_copying(reason: str, tmp_path: Path) -> None:
    """V-10, V-11: what the pictures were found to be must be what the copied head makes a player show."""
    tags = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
    source = pattern(tmp_path / "s.mp4", *_X264, *tags)
    found = probed(source)
    media = found.media.model_copy(update=FACTS[reason])
    with descriptor(source) as number:
        groups = copyable_groups(number, media=media, timeline=found.timeline, limits=LIMITS, encode=FAST)
    assert groups == NotCopyable(reason)


def test_a_movie_that_describes_its_samples_twice_is_not_copied(tmp_path: Path) -> None:
    """V-11: a copied packet would have to say which description it needs."""
    source = pattern(tmp_path / "s.mp4", *_X264)
    content, table = bytearray(source.read_bytes()), b"moov/trak/mdia/minf/stbl/stsd"
    with opened_boxes(source) as file:
        boxes = dict(all_boxes(file))
    entry = content[boxes[table + b"/avc1"].start : boxes[table + b"/avc1"].end]
    content[boxes[table].end : boxes[table].end] = entry
    for depth in range(6):
        box = boxes[table.rsplit(b"/", depth)[0] if depth else table]
        content[box.start : box.start + 4] = (box.end - box.start + len(entry)).to_bytes(4)
    content[boxes[table].body + 4 : boxes[table].body + 8] = (2).to_bytes(4)
    source.write_bytes(content)
    assert groups_of(source) == NotCopyable("smart_render_several_descriptions")
