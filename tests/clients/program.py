"""What a hospital's program does with the generated Python client: says in JSON what it was told. Run by a test."""

from __future__ import annotations

import json
import os
from io import BytesIO

from opendrape_client import AuthenticatedClient, Client
from opendrape_client.api.frames import cancel_frames, get_frames_status, list_frames, start_frames
from opendrape_client.api.keys import create_key
from opendrape_client.api.segments import add_segment
from opendrape_client.api.uploads import append_to_upload, create_upload, get_upload, upload_video
from opendrape_client.api.videos import get_receipt, get_video, list_videos, put_marked_regions
from opendrape_client.models import (
    FramesCancelled,
    FramesList,
    FramesStarted,
    FramesStatus,
    FramesWish,
    FramesWishOutputFormat,
    IssuedKey,
    MarkedRegion,
    MarkedRegions,
    NewKey,
    Problem,
    Role,
    SegmentAnswer,
    SegmentWish,
    UploadAnswer,
    Video,
    VideoForm,
    VideoList,
)
from opendrape_client.types import File, Response

URL = os.environ["OPENDRAPE_URL"]


def signed_in(key: str) -> AuthenticatedClient:
    """A client with an API key; an undocumented status is an error."""
    return AuthenticatedClient(base_url=URL, token=key, raise_on_unexpected_status=True)


def refused(answer: Response[Problem] | Response[Video | Problem] | Response[FramesStarted | Problem]) -> list[object]:
    """Status and reason of a problem."""
    assert isinstance(answer.parsed, Problem), answer
    assert answer.headers["content-type"] == "application/problem+json"
    return [int(answer.status_code), answer.parsed.status, answer.parsed.reason]


def keys(admin: AuthenticatedClient, video: str) -> dict[str, object]:
    """A new user's key: it sees no video of others; a stranger sees nothing at all."""
    made = create_key.sync(client=admin, body=NewKey(label="pacs", roles=[Role.USER]))
    assert isinstance(made, IssuedKey), made
    with signed_in(made.key) as user:
        own = list_videos.sync(client=user)
        assert isinstance(own, VideoList), own
        others = refused(get_video.sync_detailed(video, client=user))
    with Client(base_url=URL) as stranger:
        told = get_video.sync_detailed(video, client=stranger)
    return {"roles": [*made.roles], "own": len(own.videos), "others": others, "stranger": refused(told)}


def frames(admin: AuthenticatedClient, video: str) -> dict[str, object]:
    """Ten frames of a segment: asked for, looked at, asked for twice, given up."""
    segment = add_segment.sync(video, client=admin, body=SegmentWish(label="cut", start_frame=10, end_frame=20))
    assert isinstance(segment, SegmentAnswer), segment
    wish = FramesWish(video_id=video, segment_ids=[segment.id], output_format=FramesWishOutputFormat.PNG)
    started = start_frames.sync(client=admin, body=wish, idempotency_key="one")
    assert isinstance(started, FramesStarted), started
    replayed = start_frames.sync(client=admin, body=wish, idempotency_key="one")
    again = refused(start_frames.sync_detailed(client=admin, body=wish))
    status = get_frames_status.sync(started.request_id, client=admin)
    assert isinstance(status, FramesStatus), status
    listed = list_frames.sync(client=admin, video_id=video)
    assert isinstance(listed, FramesList), listed
    cancelled = cancel_frames.sync(started.request_id, client=admin)
    assert isinstance(cancelled, FramesCancelled), cancelled
    return {
        "replayed": isinstance(replayed, FramesStarted) and replayed.request_id == started.request_id,
        "again": again,
        "status": [status.status, status.processed_frames, status.total_frames],
        "listed": [
            [one.anonymization_level, one.output_format, one.segment_ids == [segment.id]] for one in listed.requests
        ],
        "cancelled": cancelled.status,
    }


def bringing(admin: AuthenticatedClient) -> dict[str, object]:
    """Twelve bytes in one form, and twelve by the upload protocol."""
    content = b"twelve bytes"
    sent = upload_video.sync(client=admin, body=VideoForm(file=File(BytesIO(content), "op.mp4", "video/mp4")))
    assert isinstance(sent, UploadAnswer), sent
    begun = create_upload.sync_detailed(client=admin, tus_resumable="1.0.0", upload_length=12)
    upload_id = begun.headers["location"].split("/")[-2]
    for offset in (0, 5):
        piece = File(BytesIO(content[offset : 5 if offset == 0 else 12]))
        kept = append_to_upload.sync_detailed(
            upload_id, client=admin, body=piece, tus_resumable="1.0.0", upload_offset=offset
        )
        assert kept.status_code == 204, kept
    resumable = get_upload.sync(upload_id, client=admin)
    assert isinstance(resumable, UploadAnswer), resumable
    return {"form": [sent.state, sent.length], "pieces": [resumable.state, resumable.offset, resumable.video]}


def marking(admin: AuthenticatedClient, video: str) -> dict[str, object]:
    """Nothing is marked while the video is on its way, and there is no receipt yet."""
    marks = MarkedRegions(regions=[MarkedRegion(x=0, y=0, width=64, height=48)])
    refusal = put_marked_regions.sync_detailed(video, client=admin, body=marks)
    receipt = get_receipt.sync_detailed(video, client=admin)
    assert isinstance(refusal.parsed, Problem)
    assert isinstance(receipt.parsed, Problem)
    return {"marks": int(refusal.status_code), "receipt": int(receipt.status_code)}


def main() -> None:
    """The whole day."""
    with signed_in(os.environ["OPENDRAPE_KEY"]) as admin:
        page = list_videos.sync(client=admin)
        assert isinstance(page, VideoList), page
        (first,) = page.videos
        video = get_video.sync(first.id, client=admin)
        assert isinstance(video, Video), video
        assert video.media, video
        said = {
            "video": [video.state, video.internal_state, video.media.frames, [one.end_frame for one in video.chunks]],
            "keys": keys(admin, first.id),
            "frames": frames(admin, first.id),
            "uploads": bringing(admin),
            "marking": marking(admin, first.id),
        }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
