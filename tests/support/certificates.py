"""Good and bad certificates of agents, and a connection that shows one."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.operate.ca import Authority, Purpose, make_authority, sign_certificate
from tests.support.mqtt import Raw

NAMES = ("expired", "revoked", "wrong CA", "wrong name", "self-signed", "none", "old TLS", "wrong key usage")
"""The eight that must be refused."""


def request(name: str) -> tuple[ec.EllipticCurvePrivateKey, str]:
    """A key and its request."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return key, csr.public_bytes(serialization.Encoding.PEM).decode()


class Papers:
    """Certificates of one authority for one agent, each kind made when it is asked for."""

    def __init__(self, authority: Authority, folder: Path, agent_id: str, other_id: str) -> None:
        self.authority = authority
        self.folder = folder
        self.agent_id = agent_id
        self.other_id = other_id

    def _save(self, kind: str, key: ec.EllipticCurvePrivateKey, pem: str | bytes) -> Path:
        path = self.folder / f"{kind.replace(' ', '-')}.pem"
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes((pem.encode() if isinstance(pem, str) else pem) + secret)
        return path

    def issued(self, kind: str = "good", name: str | None = None, *, now: datetime | None = None) -> Path:
        """A certificate in order, from the authority itself."""
        key, csr = request(name or self.agent_id)
        pem, _ = self.authority.issue_agent(csr, name or self.agent_id, now or datetime.now(UTC))
        return self._save(kind, key, pem)

    def make(self, kind: str) -> Path | None:
        """One of `NAMES` (`old TLS` is a good certificate shown over TLS 1.1)."""
        now = datetime.now(UTC)
        match kind:
            case "old TLS":
                return self.issued(kind)
            case "none":
                return None
            case "expired":
                return self._from(kind, *self.authority._keys()[0], Purpose.AGENT, now - timedelta(days=400), now - timedelta(seconds=30))
            case "wrong CA" | "self-signed":
                key_pem, pem = make_authority("Tocsin CA district" if kind == "wrong CA" else self.agent_id, now)
                key = serialization.load_pem_private_key(key_pem, None)
                assert isinstance(key, ec.EllipticCurvePrivateKey)
                if kind == "self-signed":
                    return self._save(kind, key, pem)
                return self._from(kind, key, x509.load_pem_x509_certificate(pem), Purpose.AGENT, now - timedelta(days=1), now + timedelta(days=1))
            case "wrong name":
                return self.issued(kind, self.other_id)
            case "wrong key usage":
                return self._from(kind, *self.authority._keys()[0], Purpose.WEB, now - timedelta(days=1), now + timedelta(days=1))
            case "revoked":
                path = self.issued(kind)
                serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
                assert self.authority.revoke(f"{serial:x}", now, "lost")
                return path
        raise ValueError(kind)

    def _from(self, kind: str, ca_key: object, ca: x509.Certificate, purpose: Purpose, start: datetime, end: datetime) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        made = sign_certificate(ca_key, ca, key.public_key(), self.agent_id, purpose, not_before=start, not_after=end)
        return self._save(kind, key, made.public_bytes(serialization.Encoding.PEM))


class Shown(Raw):
    """A raw MQTT connection over TLS that shows a certificate (or none)."""

    def __init__(self, port: int, ca: Path, papers: Path | None, *, old: bool = False, host: str = "localhost") -> None:
        super().__init__(port)
        self.host = host
        self.context = ssl.create_default_context(cafile=str(ca))
        if papers is not None:
            self.context.load_cert_chain(papers)
        if old:
            self.context.set_ciphers("DEFAULT@SECLEVEL=0")
            self.context.options &= ~(ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1)
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self.context.minimum_version = ssl.TLSVersion.TLSv1
                self.context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, server_hostname=self.host)
        return self


async def admitted(port: int, ca: Path, papers: Path | None, user: str, password: str, *, old: bool = False) -> bool:
    """Is somebody with these papers let in as `user`? Nothing else than a CONNACK of 0 counts."""
    try:
        async with Shown(port, ca, papers, old=old) as connection:
            return await connection.connect(user, user, password) == 0
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
        return False
