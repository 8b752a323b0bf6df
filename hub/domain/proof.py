"""The changes of proof and safety: signed heads, exports, spooled acts, certificates, backups, personal data destroyed. Pure."""

from __future__ import annotations

from hub.domain.change import ChangeBody, change
from hub.domain.signature import Head


@change("audit.head_signed", zh="审计链头已签名", en="the head of the chain was signed")
class HeadSigned(ChangeBody, frozen=True, kw_only=True):
    """The head of a day."""

    head: Head
    day: str


@change("audit.exported", zh="审计记录已导出", en="the audit trail was exported")
class AuditExported(ChangeBody, frozen=True, kw_only=True):
    """From which change to which, and whether the bodies went along."""

    after: int
    seq: int
    bodies: bool


@change("bundle.exported", zh="导出事件档案", en="an incident's archive was exported")
class BundleExported(ChangeBody, frozen=True, kw_only=True):
    """The archive's SHA-256, how many changes it holds, and why it was asked for."""

    sha256: str
    changes: int
    reason: str


@change("audit.read", zh="查阅审计记录", en="the audit trail was read")
class AuditRead(ChangeBody, frozen=True, kw_only=True):
    """With which filter, and which stretch of the chain was shown."""

    actor: str | None
    subject: str | None
    kind: str | None
    first: int
    last: int
    count: int


@change("audit.recovered", zh="中断期间的审计记录补入", en="acts noted while the store was away were taken into the chain")
class AuditRecovered(ChangeBody, frozen=True, kw_only=True):
    """How many acts follow this change, and when each of them happened."""

    spool_id: str
    entries: int
    happened_at: tuple[str, ...]


@change("certificate.issued", zh="证书已签发", en="a certificate was issued")
class CertificateIssued(ChangeBody, frozen=True, kw_only=True):
    """For whom (`agent`, `web`), its serial number (hex) and its last day."""

    name: str
    purpose: str
    serial: str
    not_after: str


@change("certificate.revoked", zh="证书已吊销", en="a certificate was revoked")
class CertificateRevoked(ChangeBody, frozen=True, kw_only=True):
    """Which, and why."""

    name: str
    serial: str
    reason: str


@change("certificate.expiring", zh="证书即将到期", en="a certificate is about to expire")
class CertificateExpiring(ChangeBody, frozen=True, kw_only=True):
    """Which, and its last day."""

    name: str
    purpose: str
    serial: str
    not_after: str


@change("personal_data.destroyed", zh="个人信息依法销毁", en="personal data was destroyed as the law asks")
class PersonalDataDestroyed(ChangeBody, frozen=True, kw_only=True):
    """Of which incident: the spans of changes whose bodies are gone, the views masked, the archive written before, the rule it follows."""

    incident: str
    spans: tuple[tuple[int, int], ...]
    reports: int
    quarantined: int
    archive: str
    archive_sha256: str
    rule: str


@change("personal_data.held", zh="个人信息留存决定", en="personal data was held back from destruction, or let go")
class RetentionHeld(ChangeBody, frozen=True, kw_only=True):
    """Of which incident, and why (evidence, investigation)."""

    incident: str
    held: bool
    reason: str


@change("backup.made", zh="已备份", en="a backup was made")
class BackupMade(ChangeBody, frozen=True, kw_only=True):
    """Into which file, with the chain up to which change, how many rows."""

    file: str
    head_seq: int
    rows: int
