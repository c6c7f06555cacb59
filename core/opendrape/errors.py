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
├── TransientError                trying again later may help                    -> queued with back-off; while
│   │                             something is down (OUTAGES) no attempt is counted
│   ├── StorageUnavailable
│   ├── CatalogueUnavailable
│   ├── BusUnavailable            rings wait in the outbox; workers look for themselves
│   ├── IssuerUnreachable         the issuer of tokens does not answer
│   ├── InferenceFailed           time-out, missing output, wrong shape
│   └── ChildCrashed              the media child died or ran over its limits
├── ResidualFound                 the second look saw something                  -> quarantined
├── UncertainOutOfBody            time that only a person can judge              -> quarantined
├── StaleLease                    somebody else owns the item now                -> stop, write nothing
├── BlobConflict                  the name exists with other content             -> failed
├── QuotaExceeded                 somebody's share is used up                    -> refused; later, or less
├── IllegalTransition             the table of transitions does not allow it     -> programming error
├── AccessRefused                 the caller may not do this                     -> 401, 403, 429
│   ├── SignInRequired            no credential, or one that is not good
│   ├── TooManySignIns            too many failed from there
│   └── Forbidden                 a good credential that does not allow this
├── LimitReached                  a caller has as much open work as allowed      -> wait
├── LinkExpired                   a download link was used or is too old         -> ask for a new one
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
    WAIT = "wait"


OUTAGES = frozenset(
    {
        *("storage_unavailable", "storage_unreachable", "storage_busy", "source_unreachable", "disk_full"),
        *("timed_out", "key_map_unavailable", "key_map_busy"),
        *("catalogue_unavailable", "bus_unavailable"),
        # asked before anything of the item is sent; a server that dies while it looks costs an attempt
        *("inference_away", "model_not_served"),
    }
)
"""Reasons that say something of the surroundings, nothing of the item: it waits until they are there again."""


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


class BusUnavailable(TransientError):
    """The message bus did not answer. Nothing is lost: the ledger keeps the rings."""

    default_reason = "bus_unavailable"
    next_step = "Look at the bus; work goes on without it, a little later."


class IssuerUnreachable(TransientError):
    """The issuer's keys cannot be had, so that its tokens can be neither believed nor refused."""

    default_reason = "issuer_unreachable"


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


class UncertainOutOfBody(OpenDrapeError):
    """Some time may be out of the body or inside it; the policy wants a person to say so before delivery."""

    disposition = Disposition.QUARANTINE
    default_reason = "uncertain_out_of_body"
    next_step = "Look at these frames; say START-END=in or START-END=out with --interval, for each, and try again."


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


class LimitReached(OpenDrapeError):
    """As much is open as one caller may have at a time."""

    default_reason = "limit_reached"
    next_step = "Wait until a request ends, or cancel one."


class LinkExpired(OpenDrapeError):
    """A download link was used or is too old, or what it pointed to was cleaned up."""

    default_reason = "link_expired"
    next_step = "Ask for a new link; when the result itself expired, ask for the frames again."


class NotFound(OpenDrapeError):
    """No such thing, or not yours."""

    default_reason = "not_found"


class AccessRefused(OpenDrapeError):
    """The caller may not do this."""

    default_reason = "forbidden"
    next_step = "Ask an admin for a key with the role and scope that this needs."


class SignInRequired(AccessRefused):
    """No credential was given, or it is unknown, expired, revoked or not made for us."""

    default_reason = "sign_in_required"
    next_step = "Send an API key or an access token as `Authorization: Bearer`."


class TooManySignIns(AccessRefused):
    """Too many sign-ins failed from this address; known credentials still work."""

    default_reason = "too_many_sign_ins"
    next_step = "Mend the credential, wait a minute, try again."


class Forbidden(AccessRefused):
    """The credential is good but does not allow this."""

    default_reason = "forbidden"
