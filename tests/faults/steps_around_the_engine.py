"""Every step before and after masking: taking in, reading, writing, joining, storing, delivering, keeping keys."""

from __future__ import annotations

from tests.faults.mutants import Mutation

_MEDIA = "opendrape.media."
_TRIP = "tests/integration/media/test_round_trip.py"
_HOSTILE = "tests/integration/media/test_hostile_input.py"
_READ = "tests/integration/media/test_probe_and_read.py"
_LEFT = "tests/integration/media/test_survivors.py"
_SERVICE = "tests/integration/masker/test_faults_in_the_service.py"
_DAMAGED = "tests/integration/masker/test_damaged_results.py"
_DELIVER = "tests/unit/uploader/test_deliver.py"
_RECEIPTS = "tests/unit/uploader/test_receipts.py"
_BLOBS = "tests/contract/test_local_blobs.py"
_STABLE = "tests/unit/ingest/test_stability.py"
_KEY_MAP = "tests/unit/key_map"
_DOUBT = "tests/integration/masker/test_uncertain_time.py"
_CHILD = ("tests/integration/child",)
_LEDGER = "tests/unit/ledger"


def _media(step: str, module: str, function: str, *tests: str, **how: object) -> Mutation:
    return Mutation(step, _MEDIA + module, function, tests, **how)  # type: ignore[arg-type]


def _masker(step: str, function: str, *tests: str, **how: object) -> Mutation:
    return Mutation(step, "opendrape_masker.handlers", function, tests, **how)  # type: ignore[arg-type]


def _prove(step: str, function: str, **how: object) -> Mutation:
    return _media(step, "prove", function, _TRIP, _SERVICE, **how)


def _survive(step: str, slug: str, function: str) -> Mutation:
    return _media(f"find left behind: {slug}", "scrub", function, _LEFT, instead=(repr(slug), "'sei'"))


def _deliver(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, "opendrape_uploader.deliver", f"DeliverHandler.{function}", (_DELIVER,), **how)  # type: ignore[arg-type]


def _receipt(step: str, module: str, function: str, **how: object) -> Mutation:
    return Mutation(step, f"opendrape_uploader.{module}", function, (_RECEIPTS, _DELIVER), **how)  # type: ignore[arg-type]


def _blob(step: str, function: str, **how: object) -> Mutation:
    return Mutation(step, "opendrape.adapters.local_blobs", function, (_BLOBS,), **how)  # type: ignore[arg-type]


def _key_map(step: str, module: str, function: str, **how: object) -> Mutation:
    return Mutation(step, f"opendrape.adapters.key_map.{module}", function, (_KEY_MAP,), **how)  # type: ignore[arg-type]


TAKING_IN = (
    Mutation(
        "wait until a file keeps still",
        "opendrape_ingest.stability",
        "settle",
        (_STABLE,),
        instead=("now - since >= patience.stable_seconds", "True"),
    ),
    Mutation(
        "notice that a file changed",
        "opendrape_ingest.stability",
        "settle",
        (_STABLE,),
        instead=("seen != file", "False"),
    ),
    Mutation(
        "take regular files only", "opendrape_ingest.stability", "_look", (_STABLE,), without="if not stat.S_ISREG"
    ),
    _media("limit pixels", "limits", "MediaLimits.check_picture", _HOSTILE, _READ, gives="None"),
    _media("limit frames", "limits", "MediaLimits.check_frames", _HOSTILE, _READ, gives="None"),
    _media("limit the length", "limits", "MediaLimits.check_duration", _HOSTILE, _READ, gives="None"),
    _media("limit streams", "opening", "_choose_stream", _HOSTILE, _READ, without="if len(container.streams) >"),
    _media("let listed decoders only near the bytes", "allowed", "check_decoder", _HOSTILE, _READ, gives="None"),
    _media("refuse formats that cannot be painted", "allowed", "check_pixel_format", _HOSTILE, _READ, gives="None"),
    _media("refuse odd sizes that cannot be kept", "allowed", "check_pixel_format", _READ, without="if halves_width"),
    _media("refuse files that break off", "intactness", "check_intact", _HOSTILE, _READ, gives="None"),
    _media(
        "refuse encrypted packets",
        "packet_scan",
        "check_not_encrypted",
        _HOSTILE,
        _READ,
        "tests/unit/media",
        gives="None",
    ),
    _media(
        "refuse times that stand still", "probe", "_timeline", _READ, _HOSTILE, instead=("increases(ticks)", "True")
    ),
)
READING = (
    _media("notice a frame that does not come", "reader", "read_pictures", _READ, without="raise MediaRefused"),
    _media(
        "notice a frame at another time",
        "reader",
        "_is_wanted",
        _READ,
        _HOSTILE,
        without="if tick != timeline.ticks[wanted]",
    ),
    _media("notice a damaged picture", "reader", "_is_wanted", _READ, _HOSTILE, without="if frame.is_corrupt"),
    _media("notice another resolution", "reader", "check_unchanged", _READ, _HOSTILE, gives="None"),
    _media("begin at the key frame", "reader", "_find", _READ, instead=("packet.is_keyframe", "True")),
)
WRITING = (
    _media(
        "drop SEI",
        "encoders",
        "",
        _TRIP,
        _LEFT,
        instead=("'filter_units=remove_types=6'", "'filter_units=remove_types=31'"),
    ),
    _media("begin chunks with a closed group", "encoders", "_x264", _TRIP, instead=("'open-gop=0'", "'open-gop=1'")),
    _media("let chunks share parameters", "encoders", "_x264", _TRIP, instead=("'stitchable=1'", "'stitchable=0'")),
    _media(
        "refuse pictures out of order", "writer", "ChunkWriter.write", _TRIP, without="if self._last_tick is not None"
    ),
    _media(
        "forget the source's picture types", "writer", "ChunkWriter.write", _TRIP, _READ, without="frame.pict_type = 0"
    ),
    _media("write to the end", "writer", "ChunkWriter.__exit__", _TRIP, without="if kind is None"),
    _media("keep the colour tags", "encoders", "prepare", _TRIP, without="context.colorspace ="),
    _media("keep interlacing", "encoders", "prepare", _TRIP, without="if media.field_order is not"),
    _media(
        "notice another format in a chunk",
        "writer",
        "_is_like",
        _TRIP,
        "tests/integration/masker/test_fidelity_check.py",
        gives="True",
    ),
)
JOINING = (
    _media("compare times before joining", "assemble", "assemble", _TRIP, without="if len(presented)"),
    _media("insist on one set of parameters", "assemble", "_presented_ticks", _TRIP, without="if len(parameters)"),
    _media("take out user data", "assemble", "assemble", _TRIP, _LEFT, without="blank_user_data"),
    _media("keep the rotation", "assemble", "_add_stream", _TRIP, without="stream.set_display_matrix"),
    _media("leave the muxer's name out", "assemble", "_opened_output", _TRIP, _LEFT, without="output.flags"),
    _masker("hold back what a person must judge", "MaskHandler._reviewed", _DOUBT, without="check_nothing_awaits"),
    Mutation(
        "prove the file",
        "opendrape_masker.assemble_child",
        "assemble_chunks",
        (_SERVICE, "tests/integration/masker"),
        without="prove(",
    ),
    Mutation(
        "look for survivors",
        "opendrape_masker.assemble_child",
        "assemble_chunks",
        (_SERVICE, "tests/integration/masker"),
        without="if (left",
    ),
    _prove("prove the streams", "_compare_stream", gives="None"),
    _prove("prove the packets", "_compare_packets", gives="None"),
    _prove("prove each payload", "_compare_packets", without="if _digest"),
    _prove("prove each time", "_compare_packets", without="if written.pts is None"),
    _prove(
        "prove the number of packets",
        "_compare_packets",
        instead=(
            "zip_longest(_written(stream), _expected(chunks, media), fillvalue=(None, 0))",
            "zip(_written(stream), _expected(chunks, media))",
        ),
    ),
    _prove("prove the length", "prove", without="if shown_seconds"),
    *(
        _prove(f"prove: {slug}", "_compare_stream", instead=(repr(slug), "'codec_differs'"))
        for slug in ("geometry_differs", "sample_aspect_differs", "rotation_differs", "colour_differs")
    ),
    _media("find SEI that is left", "scrub", "_in_packet", _LEFT, without="if found & kinds.supplemental"),
    _media("find foreign boxes", "scrub", "_in_boxes", _LEFT, without="if path not in allowed"),
    _media("find bytes behind the end", "scrub", "_in_boxes", _LEFT, without="if end != file.size"),
    _media("find text in boxes", "scrub", "_in_one_box", _LEFT, gives="()"),
    _media("find tags", "scrub", "_in_container", _LEFT, without="if tags -"),
    _media("find chapters", "scrub", "_in_container", _LEFT, without="if container.chapters"),
    _media("find bytes outside samples", "scrub", "_in_container", _LEFT, without="if sizes !="),
)
STORING = (
    Mutation(
        "compare the digest of what was joined",
        "opendrape_masker.stored_results",
        "_check",
        (_DAMAGED, _SERVICE),
        without="if found != chunk.sha256",
    ),
    _masker("insist on every chunk", "MaskHandler._planned_chunks", _SERVICE, without="if [artefact.chunk"),
    _masker("compare the source's digest at the end", "MaskHandler._join", _SERVICE, without="self._verify_source"),
    Mutation(
        "empty the scratch folder", "opendrape_masker.children", "scratch_folder", (_SERVICE,), without="shutil.rmtree"
    ),
    _blob(
        "compare the source's digest while storing",
        "LocalBlobStore._write",
        without="if _copy(source, descriptor) != sha256",
    ),
    _blob("read back", "LocalBlobStore._write", without="if stored is None or"),
    _blob("refuse other content under a name", "LocalBlobStore._present", without="if stored is None or"),
    _blob("remove partial files", "_partial", without="_unlink"),
    _blob("never follow links", "LocalBlobStore._reading", without="folders.check_name"),
)
DELIVERING = (
    _deliver("deliver only what was assembled", "_assembled", without="if not isinstance"),
    _deliver("compare the output with the catalogue", "_publish", without="if (output.sha256"),
    _deliver("refuse another output of the same asset", "_publish", without="self._refuse_another_output"),
    _deliver("keep the first receipt", "_receipt", instead=("_content(self._work_blobs, name)", "None")),
    _deliver("check the kept receipt", "_receipt", without="if not _speaks_of"),
    _deliver("stop when the lease is lost", "handle", without="progress(0.05)"),
    _receipt(
        "sign the receipt", "signed_receipt", "write_signed", instead=("key.sign(rfc8785.dumps(content))", "bytes(64)")
    ),
    _receipt("check the signature", "receipt_keys", "PublicKey.signed", gives="True"),
    _receipt("insist on the pinned key", "receipts", "_signature_fault", without="if key.raw !="),
    _receipt(
        "compare the output's digest", "receipts", "_is_output", instead=("digest.hexdigest() == facts.sha256", "True")
    ),
    _receipt("refuse doubled names in a receipt", "signed_receipt", "_without_doubles", gives="dict(pairs)"),
)
KEEPING_KEYS = (
    _key_map(
        "encrypt the map",
        "sealing",
        "Seals.seal",
        instead=("self._cipher(version).encrypt(nonce, plain, _associated(row))", "plain"),
    ),
    _key_map("bind a sealed row to its place", "sealing", "_associated", gives="b''"),
    _key_map(
        "key the index",
        "sealing",
        "Seals.blind",
        instead=(
            "hmac.new(key, value.encode('utf-8', 'surrogatepass'), hashlib.sha256).digest()",
            "hashlib.sha256(value.encode('utf-8', 'surrogatepass')).digest()",
        ),
    ),
    _key_map("use a fresh nonce", "sealing", "Seals.seal", instead=("os.urandom(_NONCE_BYTES)", "bytes(_NONCE_BYTES)")),
)
WORKING = (
    Mutation(
        "end a child that is silent",
        "opendrape.media.child",
        "_RunningChild.watch",
        _CHILD,
        instead=("time.monotonic() - heard > silence_seconds", "False"),
    ),
    Mutation(
        "end what is left of a child",
        "opendrape.media.child",
        "_end",
        _CHILD,
        without="os.killpg",
    ),
    Mutation("hide files from a child", "opendrape.media.confine", "_hide_files", _CHILD, gives="landlock_abi()"),
    Mutation("refuse a child's system calls", "opendrape.media.confine", "_refuse_calls", _CHILD, gives="True"),
    Mutation("bound a child's memory", "opendrape.media.confine", "_limit_resources", _CHILD, gives="None"),
    Mutation(
        "lose work with the lease",
        "opendrape.ledger.heart",
        "Heart.__call__",
        (f"{_LEDGER}/test_worker.py",),
        without="if self._lost.is_set",
    ),
    Mutation(
        "beat while working", "opendrape.ledger.heart", "Heart._beat", (f"{_LEDGER}/test_worker.py",), gives="None"
    ),
    Mutation(
        "refuse writes of an old epoch",
        "opendrape.adapters.sql.items",
        "",
        (
            f"{_LEDGER}/test_sql_catalogue.py",
            "tests/contract/test_sql_catalogue_on_sqlite.py",
            f"{_LEDGER}/test_ledger_state_machine.py",
        ),
        instead=("work_items.c.lease_epoch == lease.epoch", "work_items.c.lease_epoch >= 0"),
    ),
    Mutation(
        "insist on settling a finished item",
        "opendrape.ledger.worker",
        "Worker._insist_on_completing",
        (f"{_LEDGER}",),
        without="for _ in range",
    ),
)
STEPS = (*TAKING_IN, *READING, *WRITING, *JOINING, *STORING, *DELIVERING, *KEEPING_KEYS, *WORKING)
