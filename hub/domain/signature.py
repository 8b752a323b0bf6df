"""Ed25519 signatures: the agent's on a report, the hub's on a receipt and on the head of the chain. Pure: keys come in, nothing is stored.

What is signed is always a canonical JSON array whose first element says what it is, so that no signature can pass for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from hub import wire
from hub.errors import Rejected

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_encode = msgspec.json.Encoder(order="deterministic").encode
RECEIPT: Final = "tocsin-receipt-1"
HEAD: Final = "tocsin-head-1"


class Head(Struct, frozen=True, kw_only=True):
    """A signed head of the chain: up to `seq` the chain has this `hash`; the hub with the key `key_id` says so, at `at`."""

    hub_id: str
    seq: int
    hash: str
    at: str
    key_id: str
    signature: str


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half of a key: 32 raw bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def key_id(public_key: str) -> str:
    """The short name of a public key: the first 16 hex digits of the SHA-256 of its bytes. Raises Rejected `wrong_key`."""
    return hashlib.sha256(_raw_key(public_key)).hexdigest()[:16]


def _raw_key(public_key: str) -> bytes:
    try:
        raw = base64.b64decode(public_key.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise Rejected("wrong_key", "公钥必须是 32 字节 Ed25519 公钥的 base64", "a public key is 32 bytes (Ed25519) in base64", field="public_key")
    return raw


def _key(public_key: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(_raw_key(public_key))


def signature_holds(public_key: str, signature: str, text: bytes) -> bool:
    """Is this the signature (base64) of `text` by the key? False for anything malformed."""
    from cryptography.exceptions import InvalidSignature

    try:
        _key(public_key).verify(base64.b64decode(signature, validate=True), text)
    except (InvalidSignature, Rejected, binascii.Error, ValueError):
        return False
    return True


def report_text(report: wire.Report) -> bytes:
    """What an agent signs: the hex content hash of its report without the signature."""
    return wire.content_hash(msgspec.structs.replace(report, signature=None)).encode()


def check_report(report: wire.Report, public_key: str | None, *, must_sign: bool = False) -> None:
    """Hold a report's signature against the key its agent enrolled with; raises Rejected `bad_signature` for a wrong one.

    An unsigned report passes, and so does one whose agent (None) has no key here: it is stored, and `tocsin verify` says it is unproven.
    Of an agent that must sign, neither passes (`signature_needed`).
    """
    if must_sign and (report.signature is None or public_key is None):
        raise Rejected("signature_needed", "该终端的报告必须用其登记的密钥签名", "reports of this agent must be signed with the key it enrolled with",
                       field="signature")
    if report.signature is None or public_key is None:
        return
    if not signature_holds(public_key, report.signature, report_text(report)):
        raise Rejected("bad_signature", "报告签名与终端登记的公钥不符", "the report's signature is not that of the agent's enrolled key",
                       field="signature")


def receipt_text(receipt: wire.Receipt, content_hash: str, link: str) -> bytes:
    """What the hub signs: the receipt's facts, the hash of the report as it came, the hash of its change in the chain."""
    return _encode((RECEIPT, receipt.id, str(receipt.status), receipt.receipt_no, receipt.stored_at, receipt.seq, receipt.incident_id,
                    content_hash, link))


def head_text(hub_id: str, seq: int, hash: str, at: str) -> bytes:
    """What the hub signs of the chain's head."""
    return _encode((HEAD, hub_id, seq, hash, at))


def head_holds(head: Head, keys: dict[str, str]) -> bool:
    """Is the head signed by one of the keys (key id → public key)?"""
    key = keys.get(head.key_id)
    return key is not None and signature_holds(key, head.signature, head_text(head.hub_id, head.seq, head.hash, head.at))


class Signer:
    """The hub's key. `public` is its public half as text, `key_id` its short name."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = public_text(key)
        self.key_id = key_id(self.public)

    def sign(self, text: bytes) -> str:
        """The signature in base64."""
        return base64.b64encode(self._key.sign(text)).decode()

    def head(self, hub_id: str, seq: int, hash: str, at: str) -> Head:
        """A signed head."""
        return Head(hub_id=hub_id, seq=seq, hash=hash, at=at, key_id=self.key_id, signature=self.sign(head_text(hub_id, seq, hash, at)))

    def receipt(self, receipt: wire.Receipt, content_hash: str, link: str) -> wire.Receipt:
        """The receipt with the hub's signature."""
        return msgspec.structs.replace(receipt, signature=self.sign(receipt_text(receipt, content_hash, link)))


def decode_heads(text: bytes | str) -> list[Head]:
    """Signed heads from JSON: one object, an array, or one object a line. Raises Rejected `wrong_heads`."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        stripped = raw.strip()
        if stripped.startswith(b"["):
            return msgspec.json.decode(stripped, type=list[Head])
        decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Head)
        return [decoder.decode(line) for line in stripped.splitlines() if line.strip()]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected("wrong_heads", f"链头文件格式有误：{error}", f"not a file of signed heads: {error}", field="head") from None
