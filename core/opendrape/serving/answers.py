"""What a service answers about itself, in the same words whichever service is asked (H-07)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from opendrape.serving.health import HealthReport


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class DependencyAnswer(_Answer):
    """One dependency that was really asked."""

    name: str
    status: Literal["ok", "failed"]
    reason: str | None = Field(description="slug; null when well")
    seconds: float


class HealthAnswer(_Answer):
    """The service's health, at most about a second old."""

    status: Literal["ok", "failed"]
    version: str
    dependencies: list[DependencyAnswer]

    @classmethod
    def of(cls, report: HealthReport, version: str) -> HealthAnswer:
        """The report in the API's form."""
        answers = [
            DependencyAnswer(
                name=one.name, status="ok" if one.well else "failed", reason=one.reason, seconds=round(one.seconds, 4)
            )
            for one in report.dependencies
        ]
        return cls(status="ok" if report.ready else "failed", version=version, dependencies=answers)


class LiveAnswer(_Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
