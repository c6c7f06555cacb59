"""What an audit event is: who did what to which object, never about whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One fact for the audit: appended in the transaction of the change it records."""

    actor: str
    action: str
    object_id: str
    at: datetime
    facts: dict[str, str | int] = field(default_factory=dict)
