"""`tocsin verify FILE`: does this receipt prove that the hub stored this report? Offline, with nothing but public keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Raw, Struct

from hub import wire
from hub.domain.change import body_hash, link_hash
from hub.domain.signature import decode_heads, head_holds, key_id, receipt_text, report_text, signature_holds
from hub.errors import Rejected
from hub.operate import bundle
from hub.operate.chain import ExportHeader, ExportLine, verify_file
from hub.operate.keys import read_keys
from hub.web.proof import ReceiptProof


class Bundle(Struct, frozen=True, kw_only=True):
    """Report and proof in one file."""

    report: Raw | None = None
    proof: Raw | None = None


class Finding(Struct, frozen=True):
    """One thing that was checked: whether it holds (None: could not be checked), and a sentence."""

    what: str
    holds: bool | None
    zh: str
    en: str


def _read(path: Path) -> tuple[wire.Report | None, ReceiptProof | None]:
    """A report, a proof, or both in one. Raises Rejected."""
    raw = path.read_bytes()
    try:
        keys = msgspec.json.decode(raw, type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected("wrong_file", f"{path} 不是 JSON", f"{path} is not JSON: {error}") from None
    if "report" in keys or "proof" in keys:
        both = msgspec.json.decode(raw, type=Bundle)
        report = wire.decode_report(bytes(both.report)) if both.report is not None else None
        return report, _proof(bytes(both.proof), path) if both.proof is not None else None
    if "receipt" in keys:
        return None, _proof(raw, path)
    return wire.decode_report(raw), None


def _proof(raw: bytes, path: Path) -> ReceiptProof:
    try:
        return msgspec.json.decode(raw, type=ReceiptProof)
    except msgspec.MsgspecError as error:
        raise Rejected("wrong_file", f"{path} 不是签名回执", f"{path} is no signed receipt: {error}") from None


def check(report: wire.Report | None, proof: ReceiptProof, keys: dict[str, str] | None, agent_key: str | None = None) -> list[Finding]:
    """Everything that can be checked of a proof. `keys` are the hub's public keys by id; None takes the proof's own."""
    trusted = {key_id(proof.public_key): proof.public_key} if keys is None else keys
    key = trusted.get(proof.key_id)
    signature = proof.receipt.signature
    signed = receipt_text(msgspec.structs.replace(proof.receipt, signature=msgspec.UNSET), proof.content_hash, proof.change.hash)
    out = [Finding("receipt", key is not None and isinstance(signature, str) and signature_holds(key, signature, signed),
                   "回执由中心签名", "the receipt is signed by the hub")]
    out.append(Finding("link", _link_holds(proof), "回执与审计链中的变更一致", "the receipt and the change in the chain agree"))
    if proof.change.body is not None:
        out.append(Finding("body", _body_holds(proof.change, proof.receipt), "变更内容完好", "the change's body is whole"))
    if report is not None:
        same = report.id == proof.receipt.id and wire.content_hash(report) == proof.content_hash
        out.append(Finding("report", same, "报告与入库内容一致", "the report is the one that was stored"))
        out.append(_author(report, agent_key or proof.agent_public_key))
    if proof.head is not None:
        out.append(Finding("head", head_holds(proof.head, trusted) and proof.head.seq >= proof.change.seq, "其后有签名链头",
                           f"a signed head at {proof.head.seq} stands beyond it"))
    return out


def _link_holds(proof: ReceiptProof) -> bool:
    link, receipt = proof.change, proof.receipt
    made = link_hash(link.prev_hash, link.seq, link.kind, link.at, link.actor, link.subject, link.incident_id, link.department_id, link.drill,
                     link.body_sha256)
    return (made == link.hash and link.seq == receipt.seq and link.kind == "report.received" and link.subject == f"report:{receipt.id}"
            and link.at == receipt.stored_at and link.incident_id == receipt.incident_id)


def _body_holds(line: ExportLine, receipt: wire.Receipt) -> bool:
    link = line.link()
    if link.salt is None or body_hash(link.salt, link.body.encode()) != line.body_sha256:
        return False
    stored = msgspec.json.decode(link.body).get("report", {})
    return bool(stored.get("id") == receipt.id and stored.get("receipt_no") == receipt.receipt_no)


def _author(report: wire.Report, agent_key: str | None) -> Finding:
    if report.signature is None:
        return Finding("author", None, "报告未签名", "the report is not signed")
    if agent_key is None:
        return Finding("author", None, "没有终端公钥，报告签名未核验", "without the agent's key its signature cannot be checked")
    return Finding("author", signature_holds(agent_key, report.signature, report_text(report)), "报告由该终端签名",
                   "the report is signed by its agent")


def check_chain(proof: ReceiptProof, export: Path, keys: dict[str, str] | None) -> Finding:
    """Does the exported chain hold, and does it contain this very change?"""
    with export.open("rb") as lines:
        verdict, header = verify_file(lines, keys)
    there = verdict.ok and header.after < proof.change.seq <= header.seq and _in_export(export, header, proof)
    return Finding("chain", there, "变更在完好的审计链中", f"the change is in the exported chain, which holds up to {verdict.seq}")


def _in_export(export: Path, header: ExportHeader, proof: ReceiptProof) -> bool:
    with export.open("rb") as lines:
        for n, line in enumerate(lines):
            if n == proof.change.seq - header.after:
                return msgspec.json.decode(line, type=ExportLine).hash == proof.change.hash
    return False


def _verify_archive(file: Path, keys: dict[str, str] | None) -> None:
    manifest, flaws = bundle.check(file, keys)
    typer.echo(f"事件档案 {manifest.no}，{len(manifest.files)} 个文件，{manifest.changes} 条变更 / archive of {manifest.no}: {len(manifest.files)} files, "
               f"{manifest.changes} changes")
    for flaw in flaws:
        typer.echo(f"✗ {flaw.file}: {flaw.zh} / {flaw.en}")
    if not flaws:
        typer.echo("✓ 签名、文件和变更均成立 / signature, files and changes hold")
    if keys is None:
        typer.echo(f"· 公钥取自档案本身，请与中心公布的核对 / the key is the archive's own; compare it: {manifest.public_key}")
    if flaws:
        raise typer.Exit(1)


def verify(
    file: Annotated[Path, typer.Argument(help="报告、签名回执、二者合一，或事件档案 / a report, a signed receipt, both in one, or an incident's archive", exists=True)],
    receipt: Annotated[Path | None, typer.Option(help="签名回执 / the signed receipt (GET /api/v1/reports/ID/receipt)", exists=True)] = None,
    chain: Annotated[Path | None, typer.Option(help="审计导出 / an export of the chain", exists=True)] = None,
    key: Annotated[list[Path] | None, typer.Option(help="中心公钥文件 / files with the hub's public keys", exists=True)] = None,
    agent_key: Annotated[Path | None, typer.Option(help="终端公钥文件 / the agent's public key", exists=True)] = None,
    head: Annotated[Path | None, typer.Option(help="另存的签名链头 / signed heads kept elsewhere", exists=True)] = None,
) -> None:
    """离线核验报告与回执（退出码 1：不成立）/ check a report and its receipt offline (exit status 1: it does not hold)."""
    if bundle.is_archive(file):
        _verify_archive(file, read_keys(*key) if key else None)
        return
    report, proof = _read(file)
    if receipt is not None:
        proof = _read(receipt)[1]
    if proof is None:
        raise Rejected("no_receipt", "请用 --receipt 指定签名回执", "name the signed receipt with --receipt", field="receipt")
    keys = read_keys(*key) if key else None
    findings = check(report, proof, keys, agent_key.read_text().strip() if agent_key else None)
    if chain is not None:
        findings.append(check_chain(proof, chain, keys))
    if head is not None:
        trusted = keys or {key_id(proof.public_key): proof.public_key}
        held = all(head_holds(one, trusted) for one in decode_heads(head.read_bytes()))
        findings.append(Finding("heads", held, "另存链头签名有效", "the heads kept elsewhere are signed"))
    for finding in findings:
        mark = {True: "✓", False: "✗", None: "·"}[finding.holds]
        typer.echo(f"{mark} {finding.zh} / {finding.en}")
    if keys is None:
        typer.echo(f"· 公钥取自回执本身，请与中心公布的核对 / the key is the receipt's own; compare it: {proof.public_key}")
    if any(finding.holds is False for finding in findings):
        raise typer.Exit(1)
