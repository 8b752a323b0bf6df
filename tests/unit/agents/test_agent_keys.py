"""The agent's own key signs its reports; anyone with the public half can check them."""

from __future__ import annotations

import base64
import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agents.keys import certificate_request, public_key_text, sign_report, signing_key
from hub import wire
from hub.ids import new_id


def a_report() -> wire.Report:
    return wire.Report(id=new_id(), kind=wire.ReportKind.INITIAL, occurred_at=datetime.now(UTC), place=wire.Place(text="G204"), title="侧翻")


def verify(report: wire.Report, public: str) -> None:
    """As a verifier does it: Ed25519 over the hex content hash of the report without its signature."""
    bare = msgspec.structs.replace(report, signature=None)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
    key.verify(base64.b64decode(report.signature or ""), wire.content_hash(bare).encode())


def test_a_signed_report_verifies_after_the_wire_and_a_changed_one_does_not(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    signed = wire.decode_report(wire.encode(sign_report(a_report(), key)))
    verify(signed, public_key_text(key))
    with pytest.raises(InvalidSignature):
        verify(msgspec.structs.replace(signed, title="别的"), public_key_text(key))


def test_the_key_stays_the_same_and_private(tmp_path: Path) -> None:
    assert public_key_text(signing_key(tmp_path)) == public_key_text(signing_key(tmp_path))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())


def test_the_certificate_request_is_signed_by_its_own_key(tmp_path: Path) -> None:
    request = x509.load_pem_x509_csr(certificate_request(tmp_path, "石桥新材料（演示）").encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string().startswith("CN=")
