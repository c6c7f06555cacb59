"""What of a still picture's file is not in the masked one, for the receipt."""

from __future__ import annotations

from opendrape.domain.media_info import MediaInfo


def removed_from_still(media: MediaInfo) -> dict[str, int]:
    """By kind and number, as for a video: blocks of metadata, comments, previews and bytes behind the picture."""
    return {"metadata_blocks": media.tag_count} if media.tag_count else {}
