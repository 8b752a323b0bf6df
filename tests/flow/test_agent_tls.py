"""The agent's link over TLS with its own certificate: it speaks only to the hub's own authority, and only under the right name."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agents.keys import TLS_KEY, certificate_request
from agents.outbox import Outbox
from agents.scenes import everyday_report
from agents.session import Session
from agents.settings import AgentSettings, tls_context
from hub import wire
from tests.support.fake_hub import FakeHub
from tests.support.mosquitto import Mosquitto
from tests.support.ports import free_port
from tests.support.until import until


class Authority:
    """A small CA for one test."""

    def __init__(self, folder: Path, name: str = "test CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key.public_key(), ca=True)
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool = False, address: str | None = None) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if address is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def server(self, folder: Path, address: str) -> tuple[Path, Path]:
        """(certificate, key) files of a server at an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)]), key.public_key(), address=address)
        cert_path, key_path = folder / f"{address}.pem", folder / f"{address}.key"
        cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return cert_path, key_path

    def grant(self, request_pem: str, agent_id: str) -> str:
        """A client certificate for an agent's own request."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agent_id)])
        return self._sign(subject, key).public_bytes(serialization.Encoding.PEM).decode()


def lines(ca: Authority, server: tuple[Path, Path], plain_port: int) -> tuple[str, ...]:
    """The first listener asks for certificates; a second, plain one is the hub's own way in."""
    return (
        f"cafile {ca.path}", f"certfile {server[0]}", f"keyfile {server[1]}", "require_certificate true", "use_identity_as_username true",
        f"listener {plain_port} 127.0.0.1",
    )


async def test_a_certificate_of_the_hubs_authority_lets_the_agent_in(tmp_path: Path) -> None:
    ca, plain = Authority(tmp_path), free_port()
    (tmp_path / "cert.pem").write_text(ca.grant(certificate_request(tmp_path, "plant-1"), "plant-1"), encoding="utf-8")
    async with Mosquitto(lines(ca, ca.server(tmp_path, "127.0.0.1"), plain)) as broker, FakeHub(plain) as hub:
        await until(hub.connected.is_set)
        settings = AgentSettings(
            agent_id="plant-1", mqtt_port=broker.port, tls=True, password_file=None, ca_file=ca.path.name, cert_file="cert.pem", key_file=TLS_KEY
        )
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            session = Session(settings, outbox, tls=tls_context(tmp_path, settings))
            run = asyncio.create_task(session.run())
            report = everyday_report(random.Random(1), datetime.now(UTC))
            await session.file(report)
            assert (await session.receipt(report.id, 15)).status is wire.ReceiptStatus.STORED
            session.stop()
            await run


# paho leaves the socket of a failed handshake to the garbage collector, which closes it at once but says so
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fault", ["foreign authority", "wrong name", "no certificate", "plain text"])
async def test_everything_else_is_refused_and_the_report_stays(tmp_path: Path, fault: str) -> None:
    ca, plain = Authority(tmp_path), free_port()
    stranger = Authority(tmp_path, "foreign CA")
    (tmp_path / "cert.pem").write_text(ca.grant(certificate_request(tmp_path, "plant-1"), "plant-1"), encoding="utf-8")
    server = ca.server(tmp_path, "127.0.0.2" if fault == "wrong name" else "127.0.0.1")
    async with Mosquitto(lines(ca, server, plain)) as broker:
        settings = AgentSettings(
            agent_id="plant-1", mqtt_port=broker.port, tls=fault != "plain text", password_file=None, reconnect_first_s=0.05, reconnect_longest_s=0.1,
            ack_timeout_s=2, ca_file=(stranger if fault == "foreign authority" else ca).path.name,
            cert_file=None if fault == "no certificate" else "cert.pem", key_file=None if fault == "no certificate" else TLS_KEY,
        )
        with closing(Outbox(tmp_path / "outbox.sqlite3")) as outbox:
            session = Session(settings, outbox, tls=tls_context(tmp_path, settings))
            run = asyncio.create_task(session.run())
            await session.file(everyday_report(random.Random(1), datetime.now(UTC)))
            await until(lambda: session.counts["connection_attempts"] >= 3, 20)
            assert session.counts["connections"] == 0 and session.counts["published"] == 0
            assert outbox.waiting().count == 1
            session.stop()
            await run
