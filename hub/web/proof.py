"""Proofs over HTTP: the signed receipt of a report, the hub's public key, and the page with which a phone comes to trust the hub's CA."""

from __future__ import annotations

import hashlib
import html
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from hub.clock import utc_text
from hub.domain.access import HUB, Action, Tier
from hub.domain.proof import BundleExported
from hub.domain.signature import Head, Signer
from hub.operate import bundle as archive
from hub.operate.chain import ExportLine, export_line
from hub.store.access import incident_thing, incident_things
from hub.store.proof import head_after, public_keys, report_link
from hub.store.reports import get_incident, get_report
from hub.store.retention import hold
from hub.web.reports import own
from hub.web.route import PUBLIC, Ask, Done, NotFound, Route
from hub.web.seen import report_thing
from hub.wire import Receipt, ReceiptStatus


class ReceiptProof(Struct, frozen=True, kw_only=True):
    """What proves to anybody that the hub stored a report: `tocsin verify` checks it with nothing but the public key.

    `receipt` is signed together with `content_hash` (of the report as it came) and the hash of `change`; `head` is the first signed head
    beyond it, once there is one. The body of the change is there for the sender and for those who see the report whole.
    """

    receipt: Receipt
    content_hash: str
    change: ExportLine
    public_key: str
    key_id: str
    hub_id: str
    agent_public_key: str | None = None
    head: Head | None = None


class PublicKey(Struct, frozen=True, kw_only=True):
    """The hub's public key: 32 bytes (Ed25519) in base64, and its short name."""

    public_key: str
    key_id: str


def _signer(ask: Ask) -> Signer:
    found = ask.hub.extra.get("signer")
    if not isinstance(found, Signer):
        raise NotFound
    return found


async def receipt(ask: Ask) -> ReceiptProof:
    """The signed receipt of a stored report; for its sender, and for who may read it. 404 until it is stored."""
    id = ask.path["id"]
    async with ask.store.read() as conn:
        report = await get_report(conn, id)
        if report is None:
            ask.require(Action.REPORT_FILE, own(ask))
            raise NotFound
        if report.actor == ask.who:
            ask.require(Action.REPORT_FILE, own(ask))
            whole = True
        else:
            things = await incident_things(conn, [report.incident_id])
            whole = ask.require(Action.REPORT_READ, report_thing(report, things), hidden=True).tier is Tier.LEAD
        found = await report_link(conn, id)
        if found is None:
            raise NotFound
        link, content_hash = found
        head = await head_after(conn, link.seq)
        keys = await public_keys(conn)
    signer = _signer(ask)
    plain = Receipt(id=id, status=ReceiptStatus.STORED, receipt_no=report.receipt_no, stored_at=link.at, seq=link.seq, incident_id=link.incident_id)
    return ReceiptProof(
        receipt=signer.receipt(plain, content_hash, link.hash), content_hash=content_hash, change=export_line(link, bodies=whole),
        public_key=signer.public, key_id=signer.key_id, hub_id=ask.hub.settings.hub_id, head=head,
        agent_public_key=keys.get(report.agent_id) if report.agent_id else None)


async def key(ask: Ask) -> PublicKey:
    """The hub's public key, for everybody."""
    signer = _signer(ask)
    return PublicKey(public_key=signer.public, key_id=signer.key_id)


async def ca_pem(ask: Ask) -> web.Response:
    """The hub's CA certificate, as a file that phones and browsers install."""
    pem = ask.hub.ca_pem()
    if pem is None:
        raise NotFound
    return web.Response(text=pem, content_type="application/x-x509-ca-cert",
                        headers={"Content-Disposition": 'attachment; filename="tocsin-ca.pem"', "Cache-Control": "no-cache"})


class BundleBody(Struct, frozen=True, kw_only=True):
    """Why the archive is asked for."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


async def bundle(ask: Ask) -> web.Response:
    """The signed archive of an incident as ZIP; `tocsin verify` checks it offline. That it was exported is a change."""
    id = ask.path["id"]
    async with ask.store.read() as conn:
        thing = await incident_thing(conn, id)
        if thing is None:
            ask.require(Action.INCIDENT_LIST, HUB)
            raise NotFound
        ask.require(Action.INCIDENT_READ, thing, hidden=True)
        ask.require(Action.EVIDENCE_EXPORT, thing)
        packed, manifest = await archive.build(conn, id, _signer(ask), hub_id=ask.hub.settings.hub_id, at=utc_text(ask.now), by=ask.who)
    digest = hashlib.sha256(packed).hexdigest()
    async with ask.transaction() as tx:
        tx.record(BundleExported(sha256=digest, changes=manifest.changes, reason=ask.body.reason), actor=ask.who, subject=f"incident:{id}",
                  incident_id=id, department_id=thing.department_id, drill=thing.drill)
    return web.Response(body=packed, content_type="application/zip",
                        headers={"Content-Disposition": f'attachment; filename="incident-{manifest.no}.zip"', "X-Content-SHA256": digest})


class HoldBody(Struct, frozen=True, kw_only=True):
    """Hold an incident's personal data back from destruction (or, `held` False, let it go), and why."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    held: bool = True


async def holding(ask: Ask) -> Done:
    """Hold personal data back for an investigation or as evidence; `done` is False where nothing changed."""
    id = ask.path["id"]
    ask.require(Action.ADMIN_RETENTION, HUB)
    async with ask.transaction() as tx:
        if await get_incident(tx.conn, id) is None:
            raise NotFound
        return Done(await hold(tx, id, by=ask.who, reason=ask.body.reason, held=ask.body.held))


_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{name}</title><style>body{{font:16px/1.6 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}}img{{width:16rem}}
code{{word-break:break-all}}</style>
<h1>{name}</h1>
<h2>安装证书 / Install the certificate</h2>
<ol><li>用手机扫码，或<a href="/ca.pem">下载证书</a>。<br>Scan with the phone, or <a href="/ca.pem">download the certificate</a>.</li>
<li>核对指纹与值班室公布的一致，再安装并信任。<br>Compare the fingerprint with the one the duty desk gives, then install and trust it.</li></ol>
<p><img alt="QR" src="{qr}"></p><p>SHA-256</p><p><code>{fingerprint}</code></p>"""


async def ca_page(ask: Ask) -> web.Response:
    """A page with the CA's QR code and fingerprint; no script, no sign-in."""
    pem = ask.hub.ca_pem()
    if pem is None:
        raise NotFound
    import segno

    from hub.operate.ca import fingerprint

    base = ask.hub.settings.public_url or f"{ask.request.scheme}://{ask.request.host}"
    code: Any = segno.make(f"{base}/ca.pem", error="m")
    page = _PAGE.format(name=html.escape(ask.hub.settings.hub_name), qr=code.svg_data_uri(scale=6), fingerprint=fingerprint(pem))
    return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-cache"})


ROUTES = [
    Route("POST", "/api/v1/incidents/{id}/bundle", bundle, Action.EVIDENCE_EXPORT, body=BundleBody, zh="导出事件档案", en="export an incident's archive"),
    Route("GET", "/api/v1/reports/{id}/receipt", receipt, Action.REPORT_FILE, also=(Action.REPORT_READ,), returns=ReceiptProof, zh="签名回执",
          en="the signed receipt"),
    Route("POST", "/api/v1/incidents/{id}/hold", holding, Action.ADMIN_RETENTION, body=HoldBody, returns=Done, zh="暂缓销毁个人信息",
          en="hold personal data back"),
    Route("GET", "/api/v1/proof/key", key, PUBLIC, returns=PublicKey, zh="中心公钥", en="the hub's public key"),
    Route("GET", "/ca.pem", ca_pem, PUBLIC, zh="CA 证书", en="the CA certificate"),
    Route("GET", "/ca", ca_page, PUBLIC, zh="安装证书页", en="the page that installs the CA"),
]
