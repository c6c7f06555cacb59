"""The child that masks one chunk: the only place where foreign pixels are decoded for masking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from opendrape.domain.policy import DetectRule, OpinionRule, ResidualRule, Role
from opendrape.media.child import serve
from opendrape_masker.detectors import Detector, TextReader, build_detector, build_reader, heads
from opendrape_masker.detectors.legible import LegibleText
from opendrape_masker.detectors.nobody_inside import FACE_SCORE, NobodyInside
from opendrape_masker.detectors.second_opinion import AskedOnce, SecondOpinion, least_score
from opendrape_masker.digests import digest_file
from opendrape_masker.engine.chunk import ChunkMasker
from opendrape_masker.engine.render import Job
from opendrape_masker.engine.working import Working
from opendrape_masker.inference.port import InferenceSession
from opendrape_masker.inference.relayed_session import RelayedSession
from opendrape_masker.orders import MaskAnswer, MaskOrder, read_timeline


class Detectors:
    """One detector per role, purpose and lowest score, built when first asked for."""

    def __init__(self, order: MaskOrder) -> None:
        self._order = order
        self._session = _session(order)
        self._built: dict[tuple[str, str, float], Detector] = {}
        self._opinions: dict[Role, AskedOnce] = {}

    def __call__(self, rule: DetectRule | ResidualRule) -> Detector:
        purpose: Literal["detect", "residual"] = "detect" if isinstance(rule, DetectRule) else "residual"
        floor = rule.weak_score if isinstance(rule, DetectRule) else rule.score
        key = (str(rule.role), purpose, floor)
        if key not in self._built:
            detector = self._doubted(self._build(rule.role, purpose, floor))
            self._built[key] = self._advised(detector, rule) if isinstance(rule, DetectRule) else detector
        return self._built[key]

    def _build(self, role: Role, purpose: Literal["detect", "residual"], floor: float) -> Detector:
        if role is Role.HEAD:
            people = self._doubted(self._build(Role.PERSON_VEHICLE, purpose, heads.PERSON_SCORE))
            return heads.HeadsOfPeople(people, self._build(Role.FACE, purpose, heads.FACE_SCORE))
        repository = self._order.model_repository
        return build_detector(role, session=self._session, repository=repository, purpose=purpose, floor_score=floor)

    def _doubted(self, detector: Detector) -> Detector:
        if detector.role is not Role.PERSON_VEHICLE or not self._order.policy.nobody_inside:
            return detector
        return NobodyInside(detector, self._build(Role.FACE, "detect", FACE_SCORE))

    def _advised(self, detector: Detector, rule: DetectRule) -> Detector:
        if rule.read_below:
            return LegibleText(detector, self.reader(), rule.read_below)
        opinion = next((one for one in self._order.policy.opinion if one.role is rule.role), None)
        if opinion is None:
            return detector
        looks = read_timeline(self._order.timeline).looks(rule.max_gap_seconds)
        return SecondOpinion(
            opinion,
            detector,
            self._asked_once(opinion).at(least_score(opinion, rule.weak_score)),
            asked_anyway=frozenset(looks[:: opinion.every_looks]),
            shown_pixels=min(side for one in self._advised_by(opinion) for side in one.long_side_pixels),
        )

    def _asked_once(self, opinion: OpinionRule) -> AskedOnce:
        if opinion.role not in self._opinions:
            floor = min(least_score(opinion, one.weak_score) for one in self._advised_by(opinion))
            self._opinions[opinion.role] = AskedOnce(self._build(opinion.role, "residual", floor))
        return self._opinions[opinion.role]

    def _advised_by(self, opinion: OpinionRule) -> list[DetectRule]:
        return [rule for rule in self._order.policy.detect if rule.role is opinion.role]

    def reader(self) -> TextReader:
        """Reads what the second look takes for text."""
        return build_reader(session=self._session, repository=self._order.model_repository)


def _session(order: MaskOrder) -> InferenceSession:
    if order.remote is not None:
        return RelayedSession(order.remote)
    # a child whose models run elsewhere needs no runtime of its own
    from opendrape_masker.inference.session import OnnxRuntimeSession

    return OnnxRuntimeSession(order.models_dir, threads=order.threads, deadline_seconds=order.inference_seconds)


def mask_chunk(spec: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Mask the ordered chunk; the answer names the written file and its digest."""
    order = MaskOrder.model_validate(spec)
    job = Job(
        descriptor=order.descriptor,
        media=order.media,
        timeline=read_timeline(order.timeline),
        span=order.span,
        policy=order.policy,
        regions=order.regions,
        limits=order.limits.typed(),
        threads=order.threads,
        window_bytes=order.window_bytes,
    )
    working = Working.of(job, Detectors(order), order.confirmed, lambda: send({"progress": 0.0}))
    masker = ChunkMasker(working.job, working, working.reader, order.folder, lambda share: send({"progress": share}))
    report = working.told(masker.run())
    answer = MaskAnswer(path=masker.chunk_path, sha256=digest_file(masker.chunk_path).sha256, report=report)
    return answer.model_dump(mode="json")


if __name__ == "__main__":
    serve(mask_chunk)
