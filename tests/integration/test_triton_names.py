"""O-01, R-03: are all servers behind one name used, and is one with TLS trusted only by its certificate?"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opendrape.errors import ConfigurationError, InferenceFailed
from opendrape_masker.inference.targets import Target
from opendrape_masker.inference.triton_session import TritonSession
from opendrape_masker.models_sync import sync
from tests.fakes.tiny_models import add_model, plain_graph
from tests.servers.process import wait_until
from tests.servers.triton import Triton

pytestmark = pytest.mark.timeout(90)
PICTURE = np.zeros((1, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton")
    add_model(folder / "repository", "plain", plain_graph())
    (folder / "plain.onnx").write_bytes(plain_graph())
    sync(folder / "repository", folder / "models", mirror=folder, target=Target.TRITON_PYTHON)
    return folder


@pytest.fixture
def two(place: Path, tmp_path: Path) -> Iterator[list[Triton]]:
    """A plain server and one that speaks TLS with a certificate of its own."""
    certificate, key = _certificate(tmp_path)
    options = ("--grpc-use-ssl=true", f"--grpc-server-cert={certificate}", f"--grpc-server-key={key}")
    servers = [Triton.over(place / "models" / "triton-python", tmp_path / str(number)) for number in range(2)]
    servers[1].options = options
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.stop()


def test_tls_is_used_when_certificates_are_given_and_nothing_else_is_trusted(
    two: list[Triton], place: Path, tmp_path: Path
) -> None:
    """O-01: pictures of patients go to no server that cannot show who it is; never in the clear instead."""
    plain, secret = two
    own, foreign = tmp_path / "certificate.pem", tmp_path / "other"
    foreign.mkdir()
    assert _answers(place, secret.url, own)
    for url, trusted in ((secret.url, _certificate(foreign)[0]), (secret.url, None), (plain.url, own)):
        with pytest.raises(InferenceFailed):
            _answers(place, url, trusted)
    with pytest.raises(ConfigurationError):
        _answers(place, secret.url, tmp_path / "nowhere.pem")


def test_all_servers_behind_one_name_are_used(place: Path, tmp_path: Path) -> None:
    """R-03: a name with two addresses, as a headless service has; each gets half of the calls."""
    servers = [Triton.over(place / "models" / "triton-python", tmp_path / str(number)) for number in range(2)]
    try:
        for server in servers:
            server.start()
        name = "ipv4:" + ",".join(server.url for server in servers)
        session = TritonSession(place / "repository", [name], in_flight=1, deadline_seconds=10.0)
        session.infer("plain", PICTURE)
        for _ in range(20):
            session.infer("plain", PICTURE)
        running = servers[0].running
        assert running is not None
        wait_until(lambda: sum(_answered(server) for server in servers) == 21, running, seconds=10)  # counted late
        counts = [_answered(server) for server in servers]
        assert min(counts) >= 5
        running.kill()
        for _ in range(5):
            session.infer("plain", PICTURE)
        session.close()
    finally:
        for server in servers:
            server.stop()


def _answers(place: Path, url: str, trusted: Path | None) -> bool:
    session = TritonSession(place / "repository", [url], in_flight=1, deadline_seconds=5.0, ca_file=trusted)
    try:
        return session.infer("plain", PICTURE)["heatmap"].shape == (1, 3, 32, 32)
    finally:
        session.close()


def _answered(server: Triton) -> int:
    lines = [line for line in server.metrics().splitlines() if line.startswith("nv_inference_request_success")]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for the loopback address and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "triton")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths
