"""The agent's own key: made on its machine and never sent anywhere. It signs reports (Ed25519); its certificate key is P-256."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from agents.settings import read_secret, write_private
from hub import wire

SIGNING_KEY = "signing-key.pem"
TLS_KEY = "tls-key.pem"


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key that signs this agent's reports; made at the first call."""
    path = folder / SIGNING_KEY
    if not path.exists():
        write_private(path, _pem(Ed25519PrivateKey.generate()))
    key = serialization.load_pem_private_key(read_secret(path).encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} is not an Ed25519 key")
    return key


def public_key_text(key: Ed25519PrivateKey) -> str:
    """The public half, 32 raw bytes in base64."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def sign_report(report: wire.Report, key: Ed25519PrivateKey) -> wire.Report:
    """The report with its signature: Ed25519 over the hex `content_hash` of the report without one, in base64."""
    bare = msgspec.structs.replace(report, signature=None)
    return msgspec.structs.replace(bare, signature=base64.b64encode(key.sign(wire.content_hash(bare).encode())).decode())


def certificate_request(folder: Path, common_name: str) -> str:
    """A PEM request for a client certificate over a P-256 key of this folder (made at the first call)."""
    path = folder / TLS_KEY
    if not path.exists():
        write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(read_secret(path).encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not an elliptic curve key")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64] or "agent")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
