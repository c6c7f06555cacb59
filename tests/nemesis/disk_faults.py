"""What can happen to the bytes at rest: no room for more, or one that is not what was written."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient, ContainerClient

from opendrape.adapters.store_folders import is_part
from tests.nemesis.faults import Fault, Undo
from tests.servers.azurite import Azurite
from tests.servers.small_disk import SmallDisk

RESULTS = ("chunks/", "masked/")
"""Where intermediate results of a video are; the second part of their names is its pseudonym."""

_LOOKING_SECONDS = 8.0


def against_the_disk(disk: SmallDisk | None) -> list[Fault]:
    """It is full for a while, up to the last byte or nearly so; none where there is no small disk."""
    if disk is None:
        return []

    def fill(chance: random.Random) -> Undo:
        disk.fill(leave_bytes=chance.choice((0, chance.randrange(200_000))))
        return disk.free

    return [Fault("disk full", fill, (1.0, 5.0))]


@dataclass
class Rot:
    """Flips one bit of an intermediate result or of the timeline beside it. ``victims``: whose video it was."""

    names: Callable[[], Sequence[str]]
    """Every intermediate result that is stored now."""
    flip: Callable[[str, float], bool]
    """Name and place (a share of the length); False when it was gone."""
    victims: set[str] = field(default_factory=set)

    def fault(self) -> Fault:
        """It stays flipped: nobody undoes what a medium forgot."""
        return Fault("byte flipped at rest", self._strike)

    def _strike(self, chance: random.Random) -> Undo:
        which, place = chance.random(), chance.random()
        end = time.monotonic() + _LOOKING_SECONDS  # results live for seconds only
        while time.monotonic() < end and not self._hit(which, place):
            time.sleep(0.05)
        return lambda: None

    def _hit(self, which: float, place: float) -> bool:
        names = self.names()
        name = names[int(which * len(names))] if names else ""
        if not name or not self.flip(name, place):
            return False
        self.victims.add(_video_of(name))
        return True


def _video_of(name: str) -> str:
    return name.split("/")[1].removesuffix(".bin")


def _with_timelines(results: Sequence[str], stored: Callable[[str], bool]) -> list[str]:
    """The results, and the timelines of the videos that have some: others are needed by nobody for now."""
    timelines = {f"timelines/{_video_of(name)}.bin" for name in results}
    return [*sorted(results), *sorted(name for name in timelines if stored(name))]


def rot_in_folder(folder: Path) -> Rot:
    """Of a store that is a folder."""

    def names() -> list[str]:
        found = [path for result in RESULTS for path in folder.glob(f"{result}**/*") if is_part(path.name)]
        results = [str(path.relative_to(folder)) for path in found if path.is_file()]
        return _with_timelines(results, lambda name: (folder / name).is_file())

    return Rot(names, lambda name, place: flip_in_file(folder / name, place))


def flip_in_file(path: Path, place: float) -> bool:
    """One bit at ``place`` (a share of the length); False when the file is gone."""
    try:
        with path.open("r+b") as file:
            position = int(place * path.stat().st_size)
            file.seek(position)
            flipped = file.read(1)[0] ^ 1
            file.seek(position)
            file.write(bytes([flipped]))
    except FileNotFoundError:
        return False
    return True


def rot_in_container(azurite: Azurite, container: str) -> Rot:
    """Of a store that is a container; asks the server itself, not through the bad network."""

    def names() -> list[str]:
        try:
            with ContainerClient.from_connection_string(azurite.connection_string(), container) as stored:
                results = [name for prefix in RESULTS for name in stored.list_blob_names(name_starts_with=prefix)]
                return _with_timelines(results, lambda name: stored.get_blob_client(name).exists())
        except AzureError:
            return []

    return Rot(names, lambda name, place: flip_in_blob(azurite, container, name, place))


def flip_in_blob(azurite: Azurite, container: str, name: str, place: float) -> bool:
    """One bit at ``place``; length and metadata stay. False when the blob is gone or became another one."""
    try:
        with BlobClient.from_connection_string(azurite.connection_string(), container, name) as blob:
            facts = blob.get_blob_properties()
            content = bytearray(blob.download_blob(etag=facts.etag, match_condition=_SAME).readall())
            content[int(place * len(content))] ^= 1
            blob.upload_blob(
                bytes(content), overwrite=True, metadata=facts.metadata, etag=facts.etag, match_condition=_SAME
            )
    except AzureError:
        return False
    return True


_SAME = MatchConditions.IfNotModified
