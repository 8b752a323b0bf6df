"""The hub's small certificate authority: one folder of files, made at the first use. Issues for the web, the broker and agents; revokes.

Two authorities may be trusted at once (`rotate`), and an agent's old certificate stays good beside its new one until it ends, so that
no rotation ever stands between an agent and its broker. All files are PEM; keys are readable by their owner alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from hub.clock import parse_utc, utc_text
from hub.errors import Rejected
from hub.ids import is_slug
from hub.operate.keys import refuse_readable, write_private

CA_LIFE: Final = timedelta(days=3650)
AGENT_LIFE: Final = timedelta(days=397)
WEB_LIFE: Final = timedelta(days=397)
"""Browsers refuse certificates that last longer than 398 days."""
CRL_LIFE: Final = timedelta(days=400)
"""Long, because a broker refuses everybody once its list of revocations is out of date; the list is written anew at each revocation."""
WARN: Final = timedelta(days=30)
_BACK: Final = timedelta(minutes=5)


class Purpose(StrEnum):
    """What a certificate is for."""

    AGENT = "agent"
    WEB = "web"


class Issued(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate as the index keeps it; times are canonical UTC text, `serial` is hex."""

    serial: str
    name: str
    purpose: Purpose
    not_before: str
    not_after: str
    fingerprint: str
    issuer: str
    replaced: bool = False
    revoked_at: str | None = None
    reason: str | None = None


class Index(Struct, frozen=True, kw_only=True):
    """Every certificate that was issued."""

    certificates: tuple[Issued, ...] = ()


def fingerprint(pem: str) -> str:
    """The SHA-256 fingerprint of the first certificate, in pairs."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[n : n + 2] for n in range(0, 64, 2))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_authority(name: str, now: datetime, life: timedelta = CA_LIFE) -> tuple[bytes, bytes]:
    """A new authority: key and certificate (PEM). It may sign certificates and lists, and no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
                          key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    certificate = (
        x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(name)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - _BACK).not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256()))
    return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


def sign_certificate(
    ca_key: Any, ca: x509.Certificate, public_key: Any, name: str, purpose: Purpose, *, not_before: datetime, not_after: datetime,
    hosts: Sequence[str] = (),
) -> x509.Certificate:
    """A certificate for one purpose only: an agent's cannot serve the web, the web's cannot sign in as an agent."""
    allowed = ExtendedKeyUsageOID.CLIENT_AUTH if purpose is Purpose.AGENT else ExtendedKeyUsageOID.SERVER_AUTH
    usage = x509.KeyUsage(digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
                          key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False)
    builder = (
        x509.CertificateBuilder().subject_name(_name(name)).issuer_name(ca.subject).public_key(public_key)
        .serial_number(x509.random_serial_number()).not_valid_before(not_before).not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True).add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([allowed]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False))  # type: ignore[arg-type]
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host.encode("idna").decode())
    except UnicodeError:
        raise Rejected("wrong_host", f"主机名无效：{host}", f"not a host name: {host}", field="host") from None


class Authority:
    """The authority in the folder `ca` of a data folder. `open` reads it; `open(make=True)` makes it at the first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, data: Path, *, make: bool = False, name: str = "Tocsin CA", now: datetime | None = None) -> Authority | None:
        """The authority of this data folder; None where there is none and none is to be made."""
        authority = cls(data / "ca")
        if not authority.bundle.exists():
            if not make:
                return None
            authority._found(name, now or datetime.now(UTC))
        return authority

    @property
    def bundle(self) -> Path:
        """Every authority that is trusted now, the signing one first."""
        return self.folder / "ca.pem"

    @property
    def crl(self) -> Path:
        """The list of revoked certificates, of each authority."""
        return self.folder / "crl.pem"

    def pem(self) -> str:
        """The trusted authorities, as text."""
        return self.bundle.read_text()

    def authorities(self) -> list[x509.Certificate]:
        """The trusted authorities, the signing one first."""
        return x509.load_pem_x509_certificates(self.bundle.read_bytes())

    def _found(self, name: str, now: datetime) -> None:
        key, certificate = make_authority(name, now)
        write_private(self.folder / "ca-key.pem", key)
        self._write(self.bundle, certificate)
        self._write_crl(now)

    def _write(self, path: Path, content: bytes) -> None:
        scratch = path.with_name(path.name + ".new")
        scratch.write_bytes(content)
        scratch.chmod(0o644)  # certificates are public, and an external broker reads them
        scratch.replace(path)

    def _keys(self) -> list[tuple[Any, x509.Certificate]]:
        """Key and certificate of each authority whose key is still here, the signing one first."""
        keys = [path for path in (self.folder / "ca-key.pem", *sorted(self.folder.glob("former-*-key.pem"))) if path.exists()]
        found = []
        by_key = {cert.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo): cert
                  for cert in self.authorities()}
        for path in keys:
            refuse_readable(path)
            key: Any = serialization.load_pem_private_key(path.read_bytes(), None)
            public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            if public in by_key:
                found.append((key, by_key[public]))
        return found

    def index(self) -> Index:
        """Every certificate that was issued."""
        path = self.folder / "issued.json"
        return msgspec.json.decode(path.read_bytes(), type=Index) if path.exists() else Index()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[list[Issued]]:
        """The index under a lock that other processes keep to as well; written where the block ends well."""
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.name == "posix":
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX)
            rows = list(self.index().certificates)
            yield rows
            write_private(self.folder / "issued.json", msgspec.json.format(msgspec.json.encode(Index(certificates=tuple(rows)))))
        finally:
            os.close(handle)

    def issue_agent(self, csr_pem: str, agent_id: str, now: datetime, *, life: timedelta = AGENT_LIFE) -> tuple[str, Issued]:
        """A client certificate for the key of a request; the name is the agent's id, whatever the request says. Raises Rejected `wrong_csr`.

        A certificate that the agent has already stays good until it ends: that is the overlap of a rotation.
        """
        if not is_slug(agent_id):
            raise Rejected("wrong_id", "终端标识无效", "not an agent id", field="agent_id")
        try:
            request = x509.load_pem_x509_csr(csr_pem.encode())
            genuine = request.is_signature_valid
            public_key = request.public_key()
        except Exception as error:  # the parser raises many kinds for garbage
            raise Rejected("wrong_csr", "证书请求无法解析", f"the certificate request cannot be read: {type(error).__name__}", field="csr") from None
        if not genuine or not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.key_size < 256:
            raise Rejected("wrong_csr", "证书请求须为 P-256 或更强的椭圆曲线密钥，且自签名有效", "a request is over an elliptic key of 256 bits or more",
                           field="csr")
        return self._issue(public_key, agent_id, Purpose.AGENT, now, life, ())

    def issue_web(self, hosts: Sequence[str], now: datetime, *, life: timedelta = WEB_LIFE) -> Issued:
        """A server certificate for these names and addresses, with a new key, into `web.pem` and `web-key.pem`."""
        if not hosts:
            raise Rejected("wrong_host", "请给出主机名", "name a host", field="host")
        key = ec.generate_private_key(ec.SECP256R1())
        pem, issued = self._issue(key.public_key(), hosts[0], Purpose.WEB, now, life, hosts)
        write_private(self.folder / "web-key.pem", _key_pem(key))
        self._write(self.folder / "web.pem", pem.encode())
        return issued

    def _issue(self, public_key: Any, name: str, purpose: Purpose, now: datetime, life: timedelta, hosts: Sequence[str]) -> tuple[str, Issued]:
        ca_key, ca = self._keys()[0]
        not_after = min(now + life, ca.not_valid_after_utc)
        certificate = sign_certificate(ca_key, ca, public_key, name, purpose, not_before=now - _BACK, not_after=not_after, hosts=hosts)
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        issued = Issued(serial=f"{certificate.serial_number:x}", name=name, purpose=purpose, not_before=utc_text(now), not_after=utc_text(not_after),
                        fingerprint=fingerprint(pem), issuer=_issuer_id(ca))
        with self._writing() as rows:
            rows[:] = [msgspec.structs.replace(row, replaced=True) if row.name == name and row.purpose is purpose else row for row in rows]
            rows.append(issued)
        return pem, issued

    def revoke(self, wanted: str, now: datetime, reason: str) -> list[Issued]:
        """Revoke a certificate by its serial number, or every one of an agent by its id; writes the list of revocations. Gives those."""
        done = []
        with self._writing() as rows:
            for n, row in enumerate(rows):
                if row.revoked_at is None and (row.serial == wanted.lower() or (row.name == wanted and row.purpose is Purpose.AGENT)):
                    rows[n] = msgspec.structs.replace(row, revoked_at=utc_text(now), reason=reason)
                    done.append(rows[n])
        if done:
            self._write_crl(now)
        return done

    def revoked(self) -> frozenset[int]:
        """The serial numbers that are revoked."""
        return frozenset(int(row.serial, 16) for row in self.index().certificates if row.revoked_at is not None)

    def _write_crl(self, now: datetime) -> None:
        """One list for each authority: a broker that checks lists refuses an authority without one."""
        revoked = [row for row in self.index().certificates if row.revoked_at is not None]
        parts = []
        for key, ca in self._keys():
            builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now - _BACK).next_update(now + CRL_LIFE)
            for row in revoked:
                if row.issuer == _issuer_id(ca):
                    entry = x509.RevokedCertificateBuilder().serial_number(int(row.serial, 16)).revocation_date(parse_utc(str(row.revoked_at)))
                    builder = builder.add_revoked_certificate(entry.build())
            parts.append(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        self._write(self.crl, b"".join(parts))

    def rotate(self, now: datetime, name: str = "Tocsin CA") -> str:
        """A new authority signs from now on; the former stays trusted until its certificates have ended. Gives the new fingerprint."""
        stamp = now.strftime("%Y%m%d%H%M%S")
        former = self.bundle.read_bytes()
        (self.folder / "ca-key.pem").rename(self.folder / f"former-{stamp}-key.pem")
        key, certificate = make_authority(f"{name} {stamp}", now)
        write_private(self.folder / "ca-key.pem", key)
        self._write(self.bundle, certificate + former)
        self._write_crl(now)
        return fingerprint(certificate.decode())

    def refresh_crl(self, now: datetime, *, older_than: timedelta = timedelta(0)) -> bool:
        """Write the list of revocations anew where it is older than that, long before it is out of date."""
        if self.crl.exists() and now.timestamp() - self.crl.stat().st_mtime < older_than.total_seconds():
            return False
        self._write_crl(now)
        return True

    def expiring(self, now: datetime, within: timedelta = WARN) -> list[Issued]:
        """Certificates in use that end within 30 days, and authorities: those that were replaced or revoked do not count."""
        until = utc_text(now + within)
        found = [row for row in self.index().certificates if not row.replaced and row.revoked_at is None and row.not_after <= until]
        for ca in self.authorities()[:1]:
            if ca.not_valid_after_utc <= now + within:
                found.append(Issued(serial=f"{ca.serial_number:x}", name="CA", purpose=Purpose.WEB, not_before=utc_text(ca.not_valid_before_utc),
                                    not_after=utc_text(ca.not_valid_after_utc), fingerprint="", issuer=""))
        return found


def _issuer_id(ca: x509.Certificate) -> str:
    return f"{ca.serial_number:x}"


def web_certificate(data: Path, hosts: Sequence[str], now: datetime) -> tuple[str, str]:
    """Certificate and key files for the web and the broker's TLS port, made or renewed where they are missing, ending, or for other hosts."""
    authority = Authority.open(data, make=True, now=now)
    assert authority is not None
    certificate, key = authority.folder / "web.pem", authority.folder / "web-key.pem"
    if not (certificate.exists() and key.exists() and _covers(certificate, hosts, now)):
        authority.issue_web(hosts, now)
    refuse_readable(key)
    return str(certificate), str(key)


def _covers(path: Path, hosts: Sequence[str], now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    return certificate.not_valid_after_utc > now + WARN and {_host(host) for host in hosts} <= names


def local_hosts(host: str) -> list[str]:
    """The names that the web certificate carries: the given one, this machine's, and loopback."""
    import socket

    named = [] if host in ("", "0.0.0.0", "::") else [host]  # noqa: S104 compared, not bound
    return list(dict.fromkeys([*named, socket.gethostname(), "localhost", "127.0.0.1"]))
