"""Which reasons there are for an item or asset that did not simply succeed, each with one sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SIGNALS = ("sigabrt", "sigbus", "sigfpe", "sigill", "sigkill", "sigsegv", "sigsys", "sigterm", "sigxcpu", "sigxfsz")

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # settings, keys, folders, models, policies: nothing was started
        "configuration": "A setting, key or folder cannot be used.",
        "settings_invalid": "A setting has a value that cannot be used.",
        "state_folder": "The state folder cannot be made or written.",
        "storage_folder": "A storage folder cannot be made or written.",
        "folder_missing": "A folder that was named does not exist.",
        "state_in_use": "Another process works in this state folder.",
        "address_in_use": "Another program listens on this address and port.",
        "gateway_did_not_start": "The HTTP server stopped before it listened.",
        "source_missing": "The source folder or file does not exist.",
        "source_is_destination": "The source folder is the destination.",
        "record_number_pattern": "The record number pattern is no regular expression with a group named record.",
        "no_map": "There is no key map yet.",
        "model_missing": "A model that the policy requires is not materialised.",
        "model_altered": "A model's weights are not the ones that were pinned.",
        "model_graph_invalid": "A model's graph cannot be used.",
        "model_lock_invalid": "A model's lock file cannot be read.",
        "model_repository_empty": "The model repository holds no model.",
        "model_repository_missing": "The model repository does not exist.",
        "model_unusable": "A model cannot be loaded.",
        "policy_invalid": "The policy cannot be used.",
        "policy_altered": "The stored policy is not the one that the work item names.",
        "policy_name": "The policy file and the policy in it have different names.",
        "policy_unknown": "There is no policy of this name.",
        # the input: it is left as it is, nothing is published
        "permanent": "Trying again cannot help.",
        "media_refused": "The file is corrupt, unsupported or over a limit.",
        "source_changed": "The source is gone or no longer the content that was registered.",
        "source_gone": "The source is no longer where it was.",
        "source_unreachable": "The source's disk or share does not answer.",
        "still_growing": "The file was still being written; the next scan looks again.",
        "source_differs": "The source is no longer the content that was registered.",
        "source_unreadable": "The source cannot be read.",
        # the output: it was written, checked and not published
        "fidelity_broken": "The written file differs from the source where it must not.",
        "fidelity_frame_count": "The written file has another number of frames.",
        "fidelity_geometry": "The written file has another picture size, shape or rotation.",
        "fidelity_mask_not_solid": "A mask in the written file does not cover its region.",
        "fidelity_pixels": "Pixels outside the masks differ more than allowed.",
        "fidelity_timestamps": "A frame of the written file is shown at another time.",
        "scrub_incomplete": "Metadata or hidden text survived in the written file.",
        "residual_found": "The second look saw something that is not masked: a person decides.",
        "blob_conflict": "The destination holds another file under this name.",
        # the surroundings: tried again
        "transient": "Something did not answer; it is tried again.",
        "storage_unavailable": "The storage could not be read or written.",
        "read_back_differs": "What was read back is not what was written.",
        "catalogue_unavailable": "The catalogue did not answer.",
        "inference_failed": "A model did not answer as it should.",
        "inference_output_missing": "A model left out an output.",
        "inference_output_not_finite": "A model answered with numbers that are none.",
        "inference_output_shape": "A model's answer has the wrong shape.",
        "inference_timeout": "A model did not answer in time.",
        "child_crashed": "The process that reads the video died.",
        "child_error": "The process that reads the video failed.",
        "child_killed": "The process that reads the video was killed.",
        "child_memory": "The process that reads the video ran out of memory.",
        "child_no_result": "The process that reads the video ended without a result.",
        "child_protocol": "The process that reads the video said something unintelligible.",
        "child_silent": "The process that reads the video said nothing for too long.",
        "timed_out": "There was no answer in time.",
        # the ledger
        "unexpected": "Something went wrong that nobody foresaw.",
        "stale_lease": "Another worker took over.",
        "not_a_child": "A child's program was started by hand.",
        "illegal_transition": "This is not possible in the present state.",
        "not_found": "There is no such thing.",
        "request_invalid": "The request does not fit this address; see errors.",
        "error": "Something went wrong.",
    }
    | {f"child_{name}": "The process that reads the video was ended by a signal." for name in _SIGNALS}
)
"""Reason slug -> what it means. The bounded set behind error reasons, metric labels and the API's ``reason``."""


def explain(reason: str | None) -> str | None:
    """The sentence for a reason; a general one for a reason of a newer version; None for None."""
    if reason is None:
        return None
    return REASONS.get(reason, "A reason that this version does not know.")
