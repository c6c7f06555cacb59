"""Which errors exist, what each does to the work item, and what to do next.

OpenDrapeError
├── ConfigurationError            settings, keys or folders are wrong            -> stop before work
│   ├── ModelMissing              a required model is not materialised           -> stop before work
│   └── PolicyInvalid             a policy file cannot be used                   -> stop before work
├── PermanentError                trying again cannot help                       -> failed
│   ├── MediaRefused              input is corrupt, unsupported or over a limit  -> failed
│   ├── SourceChanged             the source is not the file that was registered -> failed
│   ├── FidelityBroken            the written file breaks the fidelity contract  -> failed
│   └── ScrubIncomplete           metadata survived in the written file          -> failed
├── TransientError                trying again later may help                    -> queued with back-off
│   ├── StorageUnavailable
│   ├── CatalogueUnavailable
│   ├── InferenceFailed           time-out, missing output, wrong shape
│   └── ChildCrashed              the media child died or ran over its limits
├── ResidualFound                 the second look saw something                  -> quarantined
├── StaleLease                    somebody else owns the item now                -> stop, write nothing
├── BlobConflict                  the name exists with other content             -> failed
├── QuotaExceeded                 somebody's share is used up                    -> refused; later, or less
├── IllegalTransition             the table of transitions does not allow it     -> programming error
└── NotFound
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What an error does to the work item it interrupts."""

    FAIL = "fail"
    RETRY = "retry"
    QUARANTINE = "quarantine"
    ABANDON = "abandon"


class OpenDrapeError(Exception):
    """Root of the tree. ``reason`` is a slug from a bounded set; the message never carries names, paths or text."""

    disposition: ClassVar[Disposition] = Disposition.FAIL
    default_reason: ClassVar[str] = "error"
    next_step: ClassVar[str] = "Look at the reason, mend the cause, and retry the item."

    def __init__(self, message: str = "", *, reason: str | None = None) -> None:
        self.reason = reason or self.default_reason
        super().__init__(message or self.reason.replace("_", " "))


class ConfigurationError(OpenDrapeError):
    """Settings, keys or folders cannot be used."""

    default_reason = "configuration"
    next_step = "Run `opendrape doctor`; it names the setting."


class ModelMissing(ConfigurationError):
    """A model that the policy requires is not materialised."""

    default_reason = "model_missing"
    next_step = "Run `opendrape models sync`, or set OPENDRAPE_MODELS_MIRROR to a folder that holds the weights."


class PolicyInvalid(ConfigurationError):
    """A policy file is malformed or asks for something this build cannot do."""

    default_reason = "policy_invalid"
    next_step = "Run `opendrape policy explain NAME`; it names the line."


class PermanentError(OpenDrapeError):
    """Trying again cannot help."""

    default_reason = "permanent"


class MediaRefused(PermanentError):
    """The input is corrupt, unsupported, encrypted or over a limit; ``reason`` says which."""

    default_reason = "media_refused"
    next_step = "Read the reason; repair or convert the source, or raise the named limit."


class SourceChanged(PermanentError):
    """The source is gone or is no longer the content that was registered."""

    default_reason = "source_changed"
    next_step = "Scan again: changed content is a new asset."


class FidelityBroken(PermanentError):
    """The written file breaks the fidelity contract; nothing was published."""

    default_reason = "fidelity_broken"
    next_step = "Report it with the receipt of the work item; the source is untouched."


class ScrubIncomplete(PermanentError):
    """Metadata or bitstream text survived in the written file; nothing was published."""

    default_reason = "scrub_incomplete"
    next_step = "Report it; the source is untouched."


class TransientError(OpenDrapeError):
    """Trying again later may help."""

    disposition = Disposition.RETRY
    default_reason = "transient"
    next_step = "It is retried by itself with back-off."


class StorageUnavailable(TransientError):
    """A blob could not be read or written now (full disk, lost connection)."""

    default_reason = "storage_unavailable"


class CatalogueUnavailable(TransientError):
    """The catalogue did not answer."""

    default_reason = "catalogue_unavailable"


class InferenceFailed(TransientError):
    """The model did not answer in time, or an output is missing or misshapen. Never an empty list of detections."""

    default_reason = "inference_failed"


class ChildCrashed(TransientError):
    """The media child died, hung or ran over its memory or time limit."""

    default_reason = "child_crashed"


class ResidualFound(OpenDrapeError):
    """The second, independent look at the written output found something that should be masked."""

    disposition = Disposition.QUARANTINE
    default_reason = "residual_found"
    next_step = "A person decides: review the asset."


class StaleLease(OpenDrapeError):
    """The lease epoch is old: another worker owns the item. Stop and write nothing."""

    disposition = Disposition.ABANDON
    default_reason = "stale_lease"
    next_step = "Nothing to do: the present owner goes on."


class BlobConflict(PermanentError):
    """A blob of that name exists with other content; it was left as it is."""

    default_reason = "blob_conflict"
    next_step = "Choose another destination or remove the blob after a look at it."


class QuotaExceeded(OpenDrapeError):
    """Somebody's share is used up; ``reason`` says of what."""

    default_reason = "quota_exceeded"
    next_step = "Try again later, or with less; the share is a setting."


class IllegalTransition(OpenDrapeError):
    """The table of transitions does not allow this change of state."""

    default_reason = "illegal_transition"


class NotFound(OpenDrapeError):
    """No such thing, or not yours."""

    default_reason = "not_found"
