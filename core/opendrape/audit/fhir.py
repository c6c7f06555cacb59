"""How does an audit event look as a FHIR R4 AuditEvent: facts of the ledger in the words that hospital systems read.

Source: HL7 FHIR R4 (4.0.1), resource AuditEvent: ``type``, ``recorded``, ``agent`` with ``requestor``, ``source`` with
``observer`` are required; types are codes of DICOM PS3.16 CID 400. Objects are pseudonyms: no ``Patient`` is named.
"""

from __future__ import annotations

from typing import Any, Final

from opendrape.domain.audit import Seal, StoredEvent

MEDIA_TYPE: Final = "application/fhir+ndjson"
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_TYPES: Final = {
    "110100": "Application Activity",
    "110106": "Export",
    "110107": "Import",
    "110110": "Patient Record",
    "110113": "Security Alert",
}
_CREATED, _READ, _CHANGED, _REMOVED, _RUN = "C", "R", "U", "D", "E"
_KNOWN: Final = {
    "asset.registered": ("110107", _CREATED),
    "asset.delivered": ("110106", _RUN),
    "key_map.reveal": ("110110", _READ),
    "key_map.export": ("110106", _READ),
    "key_map.destroy_subject": ("110110", _REMOVED),
    "key_map.rotation_started": ("110113", _RUN),
    "key_map.rotated": ("110113", _CHANGED),
    "api_key.created": ("110113", _CREATED),
    "api_key.rotated": ("110113", _CHANGED),
    "api_key.revoked": ("110113", _REMOVED),
    "audit.exported": ("110106", _READ),
    "frames.downloaded": ("110106", _READ),
    "output.fetched": ("110106", _READ),
}
_SUCCEEDED, _FAILED = "0", "8"
_DID_NOT_SUCCEED: Final = frozenset({"failed", "quarantined"})


def audit_event(stored: StoredEvent, seal: Seal | None) -> dict[str, Any]:
    """The resource, ready for JSON."""
    event = stored.event
    code, action = _KNOWN.get(event.action, ("110100", _RUN))
    facts = {name: str(value) for name, value in sorted(event.facts.items())}
    if seal:
        facts |= {"seal_position": str(seal.position), "seal": seal.mac}
    entity: dict[str, Any] = {"what": _identified("object", event.object_id)}
    if details := [{"type": name, "valueString": text} for name, text in facts.items() if text]:
        entity["detail"] = details
    return {
        "resourceType": "AuditEvent",
        "id": f"opendrape-{stored.event_id}",
        "type": {"system": _DICOM, "code": code, "display": _TYPES[code]},
        "subtype": [{"system": "urn:opendrape:audit-action", "code": event.action}],
        "action": action,
        "recorded": event.at.isoformat(timespec="milliseconds"),
        "outcome": _FAILED if event.action.rpartition(".")[2] in _DID_NOT_SUCCEED else _SUCCEEDED,
        "agent": [{"who": _identified("actor", event.actor), "requestor": True}],
        "source": {"observer": {"display": "OpenDrape"}},
        "entity": [entity],
    }


def _identified(kind: str, value: str) -> dict[str, Any]:
    return {"identifier": {"system": f"urn:opendrape:{kind}", "value": value}}
