"""The daily report over HTTP: one's duties, the evidence, filing, correcting, returning, accepting; the signed one-click page; sheets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from html import escape
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from hub import wire
from hub.clock import parse_utc
from hub.documents.filled import read_form
from hub.documents.sheets import TYPE, form
from hub.domain.access import HUB, Action, ActorKind, Thing, ThingKind
from hub.domain.calendar import local_day
from hub.domain.classified import CODE as CLASSIFIED
from hub.domain.classified import packaged_guard
from hub.domain.contradiction import Contradiction, Fact
from hub.domain.daily import KIND, Content, Filing, Flag, Schedule, Template, files_in, is_to_decide, read_content
from hub.domain.obligation import Obligation, State
from hub.domain.report import Channel
from hub.errors import Rejected
from hub.ids import is_id, new_id
from hub.ingest.intake import Source
from hub.respond.daily import Links
from hub.store import daily as store
from hub.store import obligations as ledger
from hub.store.access import within_reach
from hub.store.board import BoardRow, row_of
from hub.store.organisation import list_departments
from hub.web.attachments import has_sent, serve
from hub.web.obligations import rules_of
from hub.web.route import PUBLIC, Answer, Ask, NotFound, Route, Unconfirmed
from hub.wire import Receipt, ReceiptStatus

Text = Annotated[str, Meta(max_length=20_000)]
Words = Annotated[str, Meta(max_length=2_000)]
SHEET_BYTES = 4 * 2**20


class DayQuery(Struct, frozen=True, kw_only=True):
    """Which day (today where null); `owed`: further, every report still owed whatever its day."""

    day: date | None = None
    owed: bool = True


class DutyLine(Struct, frozen=True, kw_only=True):
    """One report that one's department owes or filed, with its place on the board."""

    obligation: Obligation
    row: BoardRow
    template_zh: str
    template_en: str
    zero: bool
    open: bool


class MyDuties(Struct, frozen=True, kw_only=True):
    """One's reports: those of the day, and those of other days still owed."""

    day: str
    items: list[DutyLine]
    seq: int


class DailyWhole(Struct, frozen=True, kw_only=True):
    """One report with its form, its versions, one's draft, and the acts open to this reader. `flag` is for the duty officer.

    `to_decide`: it waits for the duty officer to accept or return it, once more where what became known since contradicts it.
    """

    obligation: Obligation
    row: BoardRow
    template: Template
    versions: list[Filing]
    draft: dict[str, Any] | None
    draft_at: str | None
    flag: Flag | None
    to_decide: bool
    may: list[str]
    seq: int


class FileBody(Struct, frozen=True, kw_only=True):
    """A report: `id` is made by the sender and makes a repetition harmless; `based_on` is the version that a correction replaces."""

    id: str
    zero: bool = False
    values: dict[str, Any] = {}
    note: Text | None = None
    late_reason: Words | None = None
    explanation: Words | None = None
    based_on: Annotated[int, Meta(ge=1)] | None = None


class DraftBody(Struct, frozen=True, kw_only=True):
    """What has been typed so far, unchecked."""

    zero: bool = False
    values: dict[str, Any] = {}
    note: Text | None = None
    late_reason: Words | None = None
    explanation: Words | None = None


class DraftSaved(Struct, frozen=True, kw_only=True):
    """When the draft was kept."""

    saved_at: str


class ReasonBody(Struct, frozen=True, kw_only=True):
    """Why."""

    reason: Words = ""


class EvidenceBody(Struct, frozen=True, kw_only=True):
    """What one is about to file."""

    zero: bool = True
    values: dict[str, Any] = {}


class EvidenceView(Struct, frozen=True, kw_only=True):
    """What the department may know of its day, what contradicts the report, and the values with it added."""

    facts: list[Fact]
    contradictions: list[Contradiction]
    suggested: dict[str, Any]


class TemplatesView(Struct, frozen=True, kw_only=True):
    """Templates and schedules in every version."""

    templates: list[Template]
    schedules: list[Schedule]


def links_of(ask: Ask) -> Links:
    """The maker of signed links."""
    links = ask.hub.extra.get("links")
    assert isinstance(links, Links)
    return links


def thing_of(o: Obligation) -> Thing:
    """A daily report as access sees it: its department's."""
    return Thing(kind=ThingKind.DAILY, id=o.id, department_id=o.department_id, drill=o.drill)


async def find(ask: Ask, action: Action) -> Obligation:
    """The report of the path, if the actor may do `action` to it; raises NotFound or Denied."""
    async with ask.store.read() as conn:
        held = await ledger.get_obligation(conn, ask.path["duty"])
    if held is None or held.kind != KIND:
        ask.require(Action.DAILY_BOARD, HUB)
        raise NotFound
    ask.require(Action.DAILY_READ if action is not Action.DAILY_FILE else action, thing_of(held), hidden=True)
    ask.require(action, thing_of(held))
    return held


async def listing(ask: Ask) -> MyDuties:
    """One's reports of a day, and what else is still owed and open."""
    ask.require(Action.DAILY_BOARD, HUB)
    query: DayQuery = ask.query
    seq = await ask.store.head()
    day = (query.day or local_day(rules_of(ask).calendar, ask.now)).isoformat()
    reach = within_reach(ask.actor, ask.now, Action.DAILY_READ, department_id=ledger.DEPARTMENT)
    async with ask.store.read() as conn:
        found = {o.id: o for o in await ledger.list_obligations(conn, kinds=[KIND], day=day, where=reach, limit=5_000)}
        if query.owed:
            found |= {o.id: o for o in await ledger.list_obligations(conn, kinds=[KIND], owed_only=True, where=reach, limit=500) if o.opens_at <= ask.now}
        book = await store.load_book(conn)
        filings = {o.id: await store.current_filing(conn, o.id) for o in found.values() if not o.is_owed or o.round > 1}
    items = []
    for o in sorted(found.values(), key=lambda o: (not o.is_owed, o.due_at, o.department_id)):
        filing = filings.get(o.id)
        template = book.template(o.key.split(":")[2], date.fromisoformat(o.day or day))
        if template is not None:
            items.append(DutyLine(obligation=o, row=row_of(o, filing, ask.now, contradicted=bool(filing and filing.contradictions)), zero=template.zero,
                                  template_zh=template.zh, template_en=template.en, open=o.is_owed and o.opens_at <= ask.now))
    return MyDuties(day=day, items=items, seq=seq)


_ACTS = {"file": Action.DAILY_FILE, "correct": Action.DAILY_CORRECT, "return": Action.DAILY_RETURN, "accept": Action.DAILY_ACCEPT,
         "excuse": Action.OBLIGATION_EXCUSE, "unlock": Action.OBLIGATION_UNLOCK}


async def whole(ask: Ask) -> DailyWhole:
    """One report: form, versions, draft."""
    seq = await ask.store.head()
    o = await find(ask, Action.DAILY_READ)
    desk = ask.may(Action.DAILY_RETURN, thing_of(o)).allowed
    async with ask.store.read() as conn:
        template, versions = await store.template_of(conn, o), await store.versions_of(conn, o.id)
        draft = await store.get_draft(conn, o.id, ask.who)
        flag = await store.get_flag(conn, o.id) if desk else None
    held = next((f for f in versions if f.current), None)
    return DailyWhole(
        obligation=o, template=template, versions=versions, draft=draft[0] if draft else None, draft_at=draft[1] if draft else None, flag=flag,
        to_decide=held is not None and is_to_decide(held, flag),
        row=row_of(o, held, ask.now, contradicted=bool(held and held.contradictions) or bool(flag and flag.is_raised)), seq=seq,
        may=[name for name, action in _ACTS.items() if ask.may(action, thing_of(o)).allowed])


async def _evidence(ask: Ask, *, zero: bool, values: dict[str, Any]) -> EvidenceView:
    o = await find(ask, Action.DAILY_FILE)
    ask.require(Action.DAILY_READ, thing_of(o))  # a machine files, but what its department knows is for people
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        template = await store.template_of(conn, o)
        read, _ = read_content(template, Content(zero=False, values=values)) if values else ({}, [])
        weighed = await store.evidence(conn, rules_of(ask), policies.access, o, zero=zero, values={} if zero and not values else read)
    return EvidenceView(facts=weighed.facts, contradictions=weighed.contradictions, suggested=weighed.suggested)


async def evidence_of_zero(ask: Ask) -> EvidenceView:
    """What is known that would contradict a zero report."""
    return await _evidence(ask, zero=True, values={})


async def evidence_of(ask: Ask) -> EvidenceView:
    """What is known that contradicts these values."""
    body: EvidenceBody = ask.body
    return await _evidence(ask, zero=body.zero, values=body.values)


def _channel(ask: Ask) -> str:
    return "http" if ask.actor.kind is ActorKind.AGENT else "web"


async def _file(ask: Ask, o: Obligation, content: Content, *, id: str, channel: str, based_on: int | None = None) -> Answer:
    async with ask.transaction() as tx:
        policies = await ask.hub.policies.read(tx.conn)
        _, receipt = await store.file(tx, rules_of(ask), policies.access, o.id, content, store.By(ask.who, channel), id=id, based_on=based_on)
    return Answer(receipt, status=201 if receipt.status is ReceiptStatus.STORED else 200)


async def file(ask: Ask) -> Answer:
    """File a report, or a zero report. 201 stored, 200 duplicate, 422 refused: the same receipt as by every other channel."""
    o = await find(ask, Action.DAILY_FILE)
    body: FileBody = ask.body
    return await _file(ask, o, _content(body), id=body.id, channel=_channel(ask))


async def correct(ask: Ask) -> Answer:
    """Correct a filed report: a new version, the old one kept."""
    o = await find(ask, Action.DAILY_CORRECT)
    body: FileBody = ask.body
    if body.based_on is None:
        raise Rejected("based_on_needed", "请注明所更正的版本", "name the version that is corrected", field="based_on")
    return await _file(ask, o, _content(body), id=body.id, channel=_channel(ask), based_on=body.based_on)


def _content(body: FileBody) -> Content:
    return Content(zero=body.zero, values=body.values, note=body.note, late_reason=body.late_reason, explanation=body.explanation)


async def keep_draft(ask: Ask) -> DraftSaved:
    """Keep what one has typed so far; only oneself sees it."""
    o = await find(ask, Action.DAILY_FILE)
    async with ask.transaction() as tx:
        return DraftSaved(saved_at=await store.save_draft(tx, o.id, ask.who, ask.body))


async def give_back(ask: Ask) -> Filing:
    """Return a filed report for correction, with the reason."""
    o = await find(ask, Action.DAILY_RETURN)
    async with ask.transaction() as tx:
        return await store.give_back(tx, rules_of(ask), o.id, by=ask.who, reason=ask.body.reason)


async def accept(ask: Ask) -> Filing:
    """Accept a filed report; a contradicted one with the reason."""
    o = await find(ask, Action.DAILY_ACCEPT)
    async with ask.transaction() as tx:
        return await store.accept(tx, o.id, by=ask.who, reason=ask.body.reason)


_STATUS = {ReceiptStatus.STORED: 201, ReceiptStatus.DUPLICATE: 200, ReceiptStatus.REJECTED: 422, ReceiptStatus.UNAVAILABLE: 503}


async def file_message(ask: Ask) -> Answer:
    """File a `daily` message as it goes over MQTT: the very same path and receipt."""
    message = wire.decode_daily(ask.body)
    ask.require(Action.DAILY_FILE, Thing(kind=ThingKind.DAILY, department_id=message.department))
    agent = ask.actor.kind is ActorKind.AGENT
    source = (ask.hub.registry.source(ask.actor.id) if agent else None) or Source(ask.who, department_id=message.department)
    if not agent:
        ask.confirm(packaged_guard().warnings(message))
    receipt = await ask.submit("daily", ask.body, source, Channel.HTTP)
    return Answer(receipt, status=_STATUS[receipt.status])


# ── templates and schedules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def templates(ask: Ask) -> TemplatesView:
    """Templates and schedules in every version."""
    ask.require(Action.DAILY_BOARD, HUB)
    async with ask.store.read() as conn:
        book = await store.load_book(conn)
    return TemplatesView(templates=list(book.templates), schedules=list(book.schedules))


async def save_template(ask: Ask) -> Template:
    """Save a template as its next version, from tomorrow at the earliest."""
    ask.require(Action.DAILY_TEMPLATE, HUB)
    async with ask.transaction() as tx:
        return await store.save_template(tx, rules_of(ask), ask.body, by=ask.who)


async def save_schedule(ask: Ask) -> Schedule:
    """Save a schedule as its next version, for days whose rows are not made yet."""
    ask.require(Action.DAILY_TEMPLATE, HUB)
    async with ask.transaction() as tx:
        return await store.save_schedule(tx, rules_of(ask), ask.body, by=ask.who)


async def attachment(ask: Ask) -> web.StreamResponse:
    """A file of a report: of any filed version, or of one's own draft."""
    o = await find(ask, Action.DAILY_READ)
    async with ask.store.read() as conn:
        versions, draft = await store.versions_of(conn, o.id), await store.get_draft(conn, o.id, ask.who)
        named = [(filing.actor, filing.values) for filing in versions] + ([(ask.who, draft[0].get("values") or {})] if draft else [])
        files = [(by, file) for by, values in named for file in files_in(values) if file.sha256 == ask.path["sha256"]]
        sent = [file for by, file in files if await has_sent(conn, file.sha256, by)]
    if not sent:  # also where it names the hash of a file that somebody else sent
        raise NotFound
    return serve(ask, sent[0].sha256, name=sent[0].name, media_type=sent[0].media_type)


# ── sheets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def sheet(ask: Ask) -> web.Response:
    """The report as an Excel sheet to be filled in (or as filed)."""
    o = await find(ask, Action.DAILY_READ)
    async with ask.store.read() as conn:
        template, held = await store.template_of(conn, o), await store.current_filing(conn, o.id)
        names = {d.id: d.zh for d in await list_departments(conn)}
    body = await asyncio.to_thread(form, template, department=names.get(o.department_id, o.department_id), day=o.day or "",
                                   values=held.values if held else {}, zero=held.zero if held else None)
    return web.Response(body=body, content_type=TYPE, headers={"Content-Disposition": f'attachment; filename="daily-{o.day}.xlsx"'})


class SheetQuery(Struct, frozen=True, kw_only=True):
    """The id of the message, made by the sender; the reason where it is late."""

    id: str
    late_reason: Words | None = None
    explanation: Words | None = None


class SheetRefused(Struct, frozen=True, kw_only=True):
    """Every line that is wrong; nothing was stored."""

    code: str
    message: dict[str, str]
    lines: list[dict[str, Any]]


async def file_sheet(ask: Ask) -> Answer:
    """File a report from a filled-in sheet: all of it or, with every wrong line named, none of it."""
    o = await find(ask, Action.DAILY_FILE)
    async with ask.store.read() as conn:
        template = await store.template_of(conn, o)
        known = {d.id: (d.zh, d.en) for d in await list_departments(conn)}
    filled = await asyncio.to_thread(read_form, ask.body, template, department=(o.department_id, *known.get(o.department_id, ())), day=o.day or "")
    if filled.faults:
        lines = [{"line": f.row, "field": f.field, "zh": f.zh, "en": f.en} for f in filled.faults]
        return Answer(SheetRefused(code="daily_sheet", lines=lines, message={
            "zh": f"表格有 {len(lines)} 处错误，未入库", "en": f"faults in the sheet: {len(lines)}; nothing was stored"}), status=422)
    query: SheetQuery = ask.query
    content = msgspec.structs.replace(filled.content, late_reason=query.late_reason, explanation=query.explanation)
    ask.look_over(content)
    return await _file(ask, o, content, id=query.id, channel="excel")


# ── the signed link ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_PAGE = """<!doctype html><html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>零报告</title><style>body{{font:17px/1.6 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;color:#1c2430}}
button{{font:inherit;font-weight:650;width:100%;padding:1rem;border:0;border-radius:.6rem;background:#0b5cad;color:#fff}}textarea{{font:inherit;width:100%;box-sizing:border-box}}
.warn{{border-left:.3rem solid #b3261e;background:#fdecea;padding:.6rem 1rem}}.ok{{border-left:.3rem solid #1b7f3b;background:#e8f5ec;padding:.6rem 1rem}}small{{color:#5b6675}}</style></head>
<body><h1>{title}</h1>{body}</body></html>"""


def _page(title: str, body: str, status: int = 200) -> web.Response:
    return web.Response(text=_PAGE.format(title=escape(title), body=body), status=status, content_type="text/html",
                        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


async def _linked(ask: Ask) -> Obligation | None:
    """The duty of the link; None for a link that this hub did not make, or that was cut short on its way."""
    ask.require(Action.LINK_FILE, Thing(kind=ThingKind.LINK)) if ask.actor.kind is ActorKind.PUBLIC else None
    duty_id = links_of(ask).duty_of(ask.path["token"])
    if duty_id is None:
        return None
    async with ask.store.read() as conn:
        return await ledger.get_obligation(conn, duty_id)


def _no_link() -> web.Response:
    return _page("链接无效 / not a valid link", '<p class="warn">链接无效或不完整，请从通知中重新打开，或登录后填报。<br>This link is not valid or was cut short: '
                                                'open it again from the notice, or sign in and file.</p><p><a href="/daily">登录 / sign in</a></p>', 404)


async def link_page(ask: Ask) -> web.StreamResponse:
    """The page of a signed link: what would be filed, and the evidence against it. Never files."""
    o = await _linked(ask)
    if o is None:
        return _no_link()
    if o.kind != KIND:
        raise web.HTTPFound(f"/duties/{o.id}")
    if (done := await _link_at_rest(ask, o)) is not None:
        return done
    return await _ask_page(ask, o)


async def _link_at_rest(ask: Ask, o: Obligation) -> web.Response | None:
    """The page of a duty that this link can do nothing about any more."""
    title = f"{o.title_zh} / {o.title_en}"
    if o.lock_at is not None and ask.now >= o.lock_at:
        return _page(title, '<p class="warn">链接已失效：该日报已锁定。<br>This link has ended: the report is locked.</p>', 410)
    if o.is_owed:
        return None
    async with ask.store.read() as conn:
        held = await store.current_filing(conn, o.id)
    if held is None:
        return _page(title, '<p class="ok">该日报无需报送。<br>This report need not be filed.</p>')
    at = f"{parse_utc(held.filed_at).astimezone(ZoneInfo(rules_of(ask).calendar.zone)):%Y-%m-%d %H:%M}"
    what = ("已报零报告", "Zero report filed") if held.zero else ("已由本部门填报（有情况，不是零报告）", "Filed by the department, and not as a zero report:")
    return _page(title, f'<p class="ok" data-test="receipt">{what[0]}，回执 <b>{escape(held.receipt_no)}</b>，{at}。<br>'
                        f"{what[1]} {at}; receipt {escape(held.receipt_no)}.</p>")


async def _ask_page(ask: Ask, o: Obligation, error: Rejected | None = None, given: Mapping[str, str] = MappingProxyType({})) -> web.Response:
    """The form; after a refusal with what was typed, but not what looks classified. Sending it again says that the warnings it shows were seen."""
    async with ask.store.read() as conn:
        policies = await ask.hub.policies.read(conn)
        names = {d.id: (d.zh, d.en) for d in await list_departments(conn)}
        weighed = await store.evidence(conn, rules_of(ask), policies.access, o, zero=True, values={})
        template = await store.template_of(conn, o)
    name = " / ".join(names.get(o.department_id, (o.department_id,)))
    parts = [f"<p><b>{escape(name)}</b></p>"]
    if error is not None:
        parts.append(f'<p class="warn">{escape(error.zh)}<br>{escape(error.en)}</p>')
    if o.state is State.RETURNED:
        parts.append(f'<p class="warn" data-test="returned">已退回更正，原因：{escape(o.reason or "")}<br>Returned for correction: {escape(o.reason or "")}</p>')
    whole = f'<a href="/daily/{o.id}">'
    if not template.zero:
        parts.append(f"<p>此表不能报零，请{whole}登录后填报</a>。<br>This report takes no zero: {whole}sign in and file it</a>.</p>")
        return _page(f"{o.title_zh} / {o.title_en}", "".join(parts), 422 if error else 200)
    if weighed.facts:
        count = len(weighed.facts)
        parts.append(f'<div class="warn" data-test="contradiction">已知当日有 {count} 项情况，详情请登录查看；如仍报零，请说明。<br>'
                     f"{count} known facts contradict a zero report; sign in to see them, or explain.</div>")
    late = ask.now > o.late_at or o.was_late
    typed = {} if error is not None and error.code == CLASSIFIED else given
    form = [f'<input type="hidden" name="id" value="{new_id()}">']
    if isinstance(error, Unconfirmed):
        form.append(f'<input type="hidden" name="seen" value="{",".join(hit.mark for hit in error.hits)}">')
    asked = [("late_reason", "迟报原因 / why it is late")] * late + [("explanation", "说明 / explanation")] * bool(weighed.facts)
    form += [f'<p><label>{label}<br><textarea name="{name}" rows="2" required maxlength="2000">{escape(typed.get(name, ""))}</textarea></label></p>'
             for name, label in asked]
    form.append('<button type="submit" data-test="confirm">确认零报告：今日无情况<br><small style="color:#fff">Confirm: nothing to report</small></button>')
    parts.append(f'<form method="post">{"".join(form)}</form><p><small>有情况请{whole}登录后填报</a>。 / If something happened, '
                 f"{whole}sign in and file it</a>.</small></p>")
    return _page(f"{o.title_zh} / {o.title_en}", "".join(parts), 422 if error else 200)


async def link_file(ask: Ask) -> web.StreamResponse:
    """File the zero report of a signed link."""
    o = await _linked(ask)
    if o is None or o.kind != KIND:
        return _no_link()
    if (done := await _link_at_rest(ask, o)) is not None:
        return done
    try:
        given = {name: values[0] for name, values in parse_qs(ask.body.decode(), max_num_fields=10).items()}
    except (UnicodeDecodeError, ValueError):
        raise Rejected("bad_form", "表单有误", "the form cannot be read") from None
    wire.refuse_controls(given)
    id = given.get("id", "")
    content = Content(zero=True, late_reason=given.get("late_reason", "")[:2000] or None, explanation=given.get("explanation", "")[:2000] or None)
    try:
        ask.confirm(packaged_guard().warnings(content), given.get("seen", ""))
        async with ask.transaction() as tx:
            policies = await ask.hub.policies.read(tx.conn)
            await store.file(tx, rules_of(ask), policies.access, o.id, content, store.By(f"link:{o.id}", "link", o.department_id),
                             id=id if is_id(id) else new_id())
    except Rejected as error:
        return await _ask_page(ask, o, error, given)
    async with ask.store.read() as conn:
        o = await ledger.get_obligation(conn, o.id) or o
    done = await _link_at_rest(ask, o)
    assert done is not None
    return done


_ONE = "/api/v1/daily/{duty}"
ROUTES = [
    Route("GET", "/api/v1/daily", listing, Action.DAILY_BOARD, query=DayQuery, returns=MyDuties, zh="本部门日报", en="one's daily reports"),
    Route("POST", "/api/v1/daily", file_message, Action.DAILY_FILE, body=bytes, returns=Receipt, status=201, zh="报送日报（报文）", en="file a daily message"),
    Route("GET", "/api/v1/daily/templates", templates, Action.DAILY_BOARD, returns=TemplatesView, zh="日报模板与安排", en="templates and schedules"),
    Route("POST", "/api/v1/daily/templates", save_template, Action.DAILY_TEMPLATE, body=Template, returns=Template, zh="保存模板", en="save a template"),
    Route("POST", "/api/v1/daily/schedules", save_schedule, Action.DAILY_TEMPLATE, body=Schedule, returns=Schedule, zh="保存安排", en="save a schedule"),
    Route("GET", _ONE, whole, Action.DAILY_READ, returns=DailyWhole, zh="一份日报", en="one daily report"),
    Route("GET", _ONE + "/evidence", evidence_of_zero, Action.DAILY_FILE, returns=EvidenceView, zh="与零报告不符的情况", en="what contradicts a zero report"),
    Route("POST", _ONE + "/evidence", evidence_of, Action.DAILY_FILE, body=EvidenceBody, returns=EvidenceView, asks_to_confirm=False,
          zh="与填报不符的情况", en="what contradicts these values"),
    Route("PUT", _ONE + "/draft", keep_draft, Action.DAILY_FILE, body=DraftBody, returns=DraftSaved, asks_to_confirm=False,
          zh="暂存", en="keep a draft"),
    Route("POST", _ONE + "/file", file, Action.DAILY_FILE, body=FileBody, returns=Receipt, status=201, zh="报送", en="file"),
    Route("POST", _ONE + "/correct", correct, Action.DAILY_CORRECT, body=FileBody, returns=Receipt, status=201, zh="更正", en="correct"),
    Route("POST", _ONE + "/return", give_back, Action.DAILY_RETURN, body=ReasonBody, returns=Filing, zh="退回", en="return"),
    Route("POST", _ONE + "/accept", accept, Action.DAILY_ACCEPT, body=ReasonBody, returns=Filing, zh="接收", en="accept"),
    Route("GET", _ONE + "/attachments/{sha256}", attachment, Action.DAILY_READ, zh="日报附件", en="a file of a daily report"),
    Route("GET", _ONE + "/sheet", sheet, Action.DAILY_READ, export=True, zh="Excel 表", en="the Excel sheet"),
    Route("POST", _ONE + "/sheet", file_sheet, Action.DAILY_FILE, body=bytes, query=SheetQuery, returns=Receipt, status=201, limit_bytes=SHEET_BYTES,
          zh="Excel 报送", en="file an Excel sheet"),
    Route("GET", "/z/{token}", link_page, PUBLIC, csrf=False, zh="一键零报告页", en="the page of a signed link"),
    Route("POST", "/z/{token}", link_file, PUBLIC, body=bytes, csrf=False, limit_bytes=16_384, zh="一键零报告", en="file by a signed link"),
]
