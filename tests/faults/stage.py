"""How a tiny video is sent through the whole pipeline, undisturbed or with one function that raises."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from opendrape.media.stills import jpeg
from opendrape_masker.synthetic import SampleRequest, make_sample
from tests.faults import calls
from tests.faults.calls import Key
from tests.faults.journeys import PLAIN_POLICY, POLICY, Baseline, Case, Journey, Place
from tests.faults.verdicts import assert_clean
from tests.faults.zygote import Ended, Order, Zygote
from tests.synthetic.picture_files import coded, jpeg_with, profile, scene

SECOND_OF_TWELVE = SampleRequest(seconds=Fraction(1), rate=Fraction(12), width=320, height=180, key_interval=6)
_COMMON = {
    "OPENDRAPE_INGEST__STABLE_SECONDS": "0",
    "OPENDRAPE_WORK__SWEEP_SECONDS": "0.2",
    "OPENDRAPE_WORK__FIRST_RETRY_SECONDS": "0.1",
    "OPENDRAPE_MASKER__THREADS": "1",
}
_ONE_ATTEMPT = {
    "OPENDRAPE_MASKER__CHILD_SILENCE_SECONDS": "20",
    "OPENDRAPE_WORK__MAX_ATTEMPTS": "1",
    "OPENDRAPE_WORK__LEASE_SECONDS": "4",
    "OPENDRAPE_WORK__HEARTBEAT_SECONDS": "0.5",
}


class Stage:
    """One clip, one policy, ready models and a fork server; journeys start here."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self.models = folder, models
        make_sample(folder / "in", SECOND_OF_TWELVE, file_name="clip.mp4")
        self.clip = folder / "in" / "clip.mp4"
        self.picture = folder / "pictures" / "picture.jpg"
        self.picture.parent.mkdir()
        self.picture.write_bytes(_picture())
        (folder / "policies").mkdir()
        (folder / "policies" / "tiny.toml").write_text(POLICY)
        (folder / "policies" / "plain.toml").write_text(PLAIN_POLICY)
        self.zygote = Zygote()

    def fresh(self) -> Place:
        """New folders, with models, without anything else."""
        place = Place(self.folder / secrets.token_hex(6))
        place.state.mkdir(parents=True, mode=0o700)
        (place.state / "models").symlink_to(self.models, target_is_directory=True)
        return place

    def baseline(self, journey: Journey) -> Baseline:
        """Run it undisturbed, counting calls here and, with real children, in each of them."""
        place = self.fresh()
        notes = self._children_told(place, fault=None) if not journey.children_here else {}
        ended = self.zygote.run(replace(self._order(journey, place, notes), record=True))
        assert_clean(ended, place, clip=self.clip, baseline=None)
        (video,) = (path.read_bytes() for path in place.visible if path.suffix == journey.ending)
        calls = {(module, name): count for module, name, count in ended.calls}
        return Baseline(calls, video, _children_counted(place.root / "notes"))

    def disturbed(self, case: Case, place: Place) -> Ended:
        """The journey with the fault."""
        if case.child is None:
            fault = (*case.key, case.at, case.kind)
            return self.zygote.run(replace(self._order(case.journey, place, _ONE_ATTEMPT), fault=fault))
        told = self._children_told(place, fault=(*case.key, case.at, case.kind), only=case.child)
        ended = self.zygote.run(self._order(case.journey, place, _ONE_ATTEMPT | told))
        return replace(ended, happened=bool(_said(place.root / "notes" / case.child)))

    def clean(self, journey: Journey, place: Place) -> Ended:
        """The same command again, undisturbed."""
        (place.root / "said").unlink(missing_ok=True)
        return self.zygote.run(self._order(journey, place, {}, "--retry" if journey.command == "run" else None))

    def _order(self, journey: Journey, place: Place, more: dict[str, str], option: str | None = None) -> Order:
        file = self.clip if journey.ending == self.clip.suffix else self.picture
        target = {"mask": place.output / file.name, "run": place.output}[journey.command]
        source = {"mask": file, "run": file.parent}[journey.command]
        frames = "@2-9" if file == self.clip else ""
        region = ["--region", f"8,8,40,24{frames}"] if journey.command == "mask" else []
        own = {"OPENDRAPE_STATE_DIR": str(place.state), "OPENDRAPE_POLICIES_DIR": str(self.folder / "policies")}
        arguments = [
            journey.command,
            str(source),
            "--output",
            str(target),
            "--policy",
            journey.policy,
            "--json",
            *region,
        ]
        return Order(
            arguments=[*arguments, *([option] if option else [])],
            environment=_COMMON | dict(journey.more) | own | more,
            said=str(place.root / "said"),
            children_here=journey.children_here,
        )

    def _children_told(
        self, place: Place, *, fault: tuple[str, str, int, str] | None, only: str | None = None
    ) -> dict[str, str]:
        """Environment under which media children run ``calls.py`` before their first own line."""
        (place.root / "notes").mkdir()
        site = place.root / "site"
        site.mkdir()
        order = {"child": only, "fault": fault, "notes": str(place.root / "notes")}
        text = Path(calls.__file__).read_text()
        (site / "sitecustomize.py").write_text(f"{text}\n\nstart_in_child({order!r})\n")
        return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}

    def tidy(self, place: Place) -> None:
        """Take away what was delivered, so that the next fault meets the same way."""
        shutil.rmtree(place.output, ignore_errors=True)
        for told in (place.root / "said", place.root / "notes", place.root / "site"):
            shutil.rmtree(told) if told.is_dir() else told.unlink(missing_ok=True)

    def forget(self, place: Place) -> None:
        """Remove its folders."""
        shutil.rmtree(place.root)

    def close(self) -> None:
        """End the fork server."""
        self.zygote.close()


def _picture() -> bytes:
    """Turned, with a profile and words: every part of the way has something to do."""
    stored = coded(".jpg", scene(120, 160))
    return jpeg_with(jpeg.with_profile(stored, profile(b"words")), words=b"words", orientation=6)


def _said(note: Path) -> str:
    return note.read_text() if note.exists() else ""


def _children_counted(notes: Path) -> dict[str, dict[Key, int]]:
    counted: dict[str, dict[Key, int]] = {}
    for note in sorted(notes.glob("*")) if notes.is_dir() else []:
        found = counted.setdefault(note.name, {})
        for line in note.read_text().splitlines():
            for module, name, count in json.loads(line):
                found[module, name] = max(found.get((module, name), 0), count)
    return counted
