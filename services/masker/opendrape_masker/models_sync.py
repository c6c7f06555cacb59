"""How `var/models` gets filled: pinned weights fetched, checked, rendered for a target, put in place at once (V-17)."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opendrape.domain.policy import Role
from opendrape.errors import ModelMissing, OpenDrapeError
from opendrape.settings import Settings
from opendrape_masker.inference.rendered import (
    LABELS_NAME,
    RECORD_NAME,
    RENDERER,
    RenderedModel,
    read_record,
    read_verified,
    target_folder,
)
from opendrape_masker.inference.repository import (
    MirrorSource,
    ModelFolder,
    Repository,
    read_repository,
)
from opendrape_masker.inference.sources import Fetched, OutOfReachError, WeightSources
from opendrape_masker.inference.targets import Target, companions, graph_path

State = Literal["present", "synced", "unreachable"]
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class ModelState:
    """What became of one model. ``detail``: kind of source when synced, reasons when unreachable (slugs)."""

    name: str
    role: Role
    state: State
    detail: str = ""
    also: tuple[Role, ...] = ()

    @property
    def roles(self) -> frozenset[Role]:
        """Every role it answers for."""
        return frozenset({self.role, *self.also})


@dataclass(frozen=True)
class SyncResult:
    """All models that were asked for, in the repository's order."""

    models: tuple[ModelState, ...]

    def ready(self, role: Role) -> tuple[str, ...]:
        """Models of a role that are materialised, most preferred first."""
        return tuple(model.name for model in self.models if role in model.roles and model.state != "unreachable")

    @property
    def roles(self) -> frozenset[Role]:
        """Every role with a materialised model."""
        return frozenset(role for model in self.models if model.state != "unreachable" for role in model.roles)


def sync(
    repository: Repository,
    models_dir: Path,
    *,
    mirror: Path | None = None,
    roles: frozenset[Role] | set[Role] | None = None,
    on_event: Callable[[ModelState], None] = lambda _: None,
    target: Target = Target.ONNXRUNTIME,
) -> SyncResult:
    """Materialise every model of ``roles`` (None: all) under ``models_dir/<target>/``; idempotent.

    What is there with the right digests is left alone. ``on_event`` is told the state of each model as it is known.
    Runs at the same time wait for each other; a killed run leaves nothing that counts. Raises ``ModelMissing``
    when a role asked for has no model at all, with the reasons; one unreachable model among several is only told,
    and so is, when all roles are meant, one whose models only a mirror carries.
    """
    folders = [folder for folder in read_repository(repository) if roles is None or folder.lock.roles & roles]
    place = target_folder(models_dir, target)
    place.mkdir(parents=True, exist_ok=True)
    states = []
    with _exclusively(place), _scratch(place) as scratch:
        sources = WeightSources(mirror=mirror, scratch=scratch)
        for folder in folders:
            state = _sync_one(folder, place, sources)
            states.append(state)
            on_event(state)
    result = SyncResult(models=tuple(states))
    _refuse_missing(result, roles if roles is not None else _publicly_served(folders))
    return result


def ready_models(settings: Settings) -> dict[Role, tuple[str, ...]]:
    """Per role of the repository the models that are there with the right digests, most preferred first."""
    target = target_folder(settings.models_dir)
    ready: dict[Role, tuple[str, ...]] = {}
    for folder in read_repository(settings.model_repository):
        here = (folder.name,) if is_materialised(folder, target) else ()
        for role in sorted(folder.lock.roles):
            ready[role] = ready.get(role, ()) + here
    return ready


def is_materialised(folder: ModelFolder, target: Path) -> bool:
    """True when the rendering of this very lock is there and every file has its digest."""
    rendered = _read_rendered(folder, target)
    if rendered is None:
        return False
    record, _, labels = rendered
    files = companions(folder, Target.of(target), model_sha256=record.model_sha256, labels=labels.decode())
    try:
        return all((target / folder.name / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def _read_rendered(folder: ModelFolder, target: Path) -> tuple[RenderedModel, bytes, bytes] | None:
    """Record, graph and labels of this very lock's rendering, with the right digests; None when that is not there."""
    place = target / folder.name
    record = read_record(place)
    if record is None or record.fingerprint != folder.fingerprint or record.renderer != RENDERER:
        return None
    try:
        graph = read_verified(place, str(graph_path(folder, Target.of(target))), record.model_sha256)
        labels = read_verified(place, LABELS_NAME, record.labels_sha256) if record.labels_sha256 else b""
    except ModelMissing:
        return None
    return record, graph, labels


def _sync_one(folder: ModelFolder, target: Path, sources: WeightSources) -> ModelState:
    state, detail = _state_after_sync(folder, target, sources)
    return ModelState(folder.name, folder.lock.role, state, detail, folder.lock.also)


def _state_after_sync(folder: ModelFolder, target: Path, sources: WeightSources) -> tuple[State, str]:
    if is_materialised(folder, target):
        return "present", ""
    for other in Target:
        if (rendered := _read_rendered(folder, target.with_name(str(other)))) is not None:
            _place(folder, target, rendered[1], rendered[2])
            return "synced", "other target"
    try:
        fetched = sources.fetch(folder)
    except OutOfReachError as error:
        return "unreachable", error.reason
    _place(folder, target, *_rendered(folder, fetched))
    return "synced", fetched.source


def _rendered(folder: ModelFolder, fetched: Fetched) -> tuple[bytes, bytes]:
    # only a run that renders needs the ONNX package
    from opendrape_masker.inference.graph import labels_of, render_graph

    return render_graph(fetched.content, folder.lock), "\n".join(labels_of(fetched.content)).encode()


def _place(folder: ModelFolder, target: Path, graph: bytes, labels: bytes) -> None:
    building = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target))
    building.chmod(0o755)
    record, kind = _record(folder, graph, labels), Target.of(target)
    files = companions(folder, kind, model_sha256=record.model_sha256, labels=labels.decode())
    files[str(graph_path(folder, kind))] = graph
    if labels:
        files[LABELS_NAME] = labels
    files[RECORD_NAME] = record.model_dump_json(indent=1).encode()
    for name, content in files.items():
        _write(building / name, content)
    _swap(building, target / folder.name)


def _record(folder: ModelFolder, graph: bytes, labels: bytes) -> RenderedModel:
    return RenderedModel(
        renderer=RENDERER,
        model=folder.name,
        role=folder.lock.role,
        fingerprint=folder.fingerprint,
        source_sha256=folder.lock.weights.sha256,
        model_sha256=hashlib.sha256(graph).hexdigest(),
        labels_sha256=hashlib.sha256(labels).hexdigest() if labels else None,
        max_batch=folder.lock.max_batch,
        outputs=folder.lock.output,
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _swap(building: Path, place: Path) -> None:
    """Killed between the two renames the model is absent, never half there; the next run makes it again."""
    if place.exists():
        place.rename(Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=place.parent)) / place.name)
    building.rename(place)


@contextmanager
def _exclusively(target: Path) -> Iterator[None]:
    with (target / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A private folder; leftovers of killed runs go with it, since the lock says that nobody else is at work."""
    try:
        yield Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target))
    finally:
        for leftover in target.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _publicly_served(folders: list[ModelFolder]) -> set[Role]:
    return {
        role
        for folder in folders
        if not all(isinstance(source, MirrorSource) for source in folder.lock.source)
        for role in folder.lock.roles
    }


def _refuse_missing(result: SyncResult, required: frozenset[Role] | set[Role]) -> None:
    missing = sorted(required - result.roles)
    if missing:
        reasons = [f"{model.name}: {model.detail}" for model in result.models if model.roles & set(missing)]
        raise ModelMissing(f"no model for role {', '.join(missing)} ({'; '.join(reasons) or 'none in the repository'})")


def main(arguments: list[str] | None = None) -> int:
    """``python -m opendrape_masker.models_sync``: 0 when every role asked for has a model, else 2."""
    settings = Settings()
    parser = argparse.ArgumentParser(description="Fetch, check and render models.")
    parser.add_argument("--models-dir", type=Path, default=settings.models_dir)
    parser.add_argument("--repository", type=Path, action="append", help="folder of model folders; may be repeated")
    parser.add_argument("--mirror", type=Path, default=settings.mirror)
    parser.add_argument("--role", type=Role, action="append", help="only this role; may be repeated")
    parser.add_argument("--target", type=Target, choices=list(Target), default=Target.ONNXRUNTIME)
    chosen = parser.parse_args(arguments)
    roles = frozenset(chosen.role) if chosen.role else None
    repository = tuple(chosen.repository) if chosen.repository else settings.model_repository
    try:
        sync(repository, chosen.models_dir, mirror=chosen.mirror, roles=roles, on_event=_tell, target=chosen.target)
    except OpenDrapeError as error:
        sys.stderr.write(f"{error}\n{error.next_step}\n")
        return 2
    return 0


def _tell(state: ModelState) -> None:
    sys.stdout.write(f"{state.state:12} {state.name} ({state.role}) {state.detail}\n")


if __name__ == "__main__":
    sys.exit(main())
