"""Agents over HTTP: the list, one-time enrolment codes, enrolment itself, revocation."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.domain.access import HUB, Action, ActorKind, Thing, ThingKind
from hub.domain.agent import AgentView
from hub.errors import Rejected
from hub.ids import SLUG, exactly
from hub.operate.certify import certify, withdraw
from hub.store.access import within_reach
from hub.store.accounts import forgive_codes, note_wrong_code, wait_for_code
from hub.store.agents import WRONG_CODE, change_agent, enrol, get_agent, list_agents, make_code, revoke
from hub.store.schema import agent
from hub.web.reports import own
from hub.web.route import PUBLIC, Answer, Ask, NotFound, Route, refusing, wait
from hub.wire import MEDIA_SUFFIX

Slug = Annotated[str, Meta(pattern=exactly(SLUG.pattern))]


class Agents(Struct, frozen=True, kw_only=True):
    """Every agent that the actor may see; `seq` is the feed's head before reading."""

    items: list[AgentView]
    seq: int


class CodeBody(Struct, frozen=True, kw_only=True):
    """For whom a code is made."""

    agent_id: Slug
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    department_id: Slug
    kind: Annotated[str, Meta(max_length=40)] = "field"
    enterprise_id: Slug | None = None
    trusted: bool = False
    must_sign: bool = False


class Code(Struct, frozen=True, kw_only=True):
    """A one-time code, shown once; `command` is what to type on the device."""

    code: str
    agent_id: str
    command: str
    expires_in_s: int


class EnrolBody(Struct, frozen=True, kw_only=True):
    """The code, and the device's public key where it has one."""

    code: Annotated[str, Meta(min_length=8, max_length=40)]
    name: Annotated[str, Meta(max_length=200)] | None = None
    public_key: Annotated[str, Meta(max_length=2000)] | None = None
    csr: Annotated[str, Meta(max_length=10_000)] | None = None


class MqttAddress(Struct, frozen=True, kw_only=True):
    """Where the broker is, as seen from outside."""

    host: str
    port: int
    tls: bool


class Enrolled(Struct, frozen=True, kw_only=True):
    """What a device keeps: its identity, its password (told once), where to connect."""

    agent_id: str
    hub_id: str
    department_id: str
    mqtt: MqttAddress
    username: str
    password: str
    media_username: str
    ca_pem: str | None = None
    cert_pem: str | None = None
    must_sign: bool = False


class RenewBody(Struct, frozen=True, kw_only=True):
    """The request for a certificate (PEM), over the same key or a new one."""

    csr: Annotated[str, Meta(max_length=10_000)]


class Renewed(Struct, frozen=True, kw_only=True):
    """The new certificate, and every authority that is trusted now."""

    cert_pem: str
    ca_pem: str


class ChangeBody(Struct, frozen=True, kw_only=True):
    """How its reports are taken (null leaves a setting as it is), and why: must each be signed, do its first reports count as verified."""

    must_sign: bool | None = None
    trusted: bool | None = None
    quota_per_minute: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class RevokeBody(Struct, frozen=True, kw_only=True):
    """Why."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


async def listing(ask: Ask) -> Agents:
    """Agents with their presence, queue and cameras."""
    ask.require(Action.AGENT_READ, Thing(kind=ThingKind.AGENT, department_id=ask.actor.department_id))
    seq = await ask.store.head()
    async with ask.store.read() as conn:
        return Agents(items=await list_agents(conn, where=within_reach(ask.actor, ask.now, Action.AGENT_READ, department_id=agent.c.department_id,
                                                                           enterprise_id=agent.c.enterprise_id)), seq=seq)


async def code(ask: Ask) -> Code:
    """Make a one-time enrolment code for an agent, good for a day."""
    body: CodeBody = ask.body
    ask.require(Action.AGENT_ENROLL, Thing(kind=ThingKind.AGENT, id=body.agent_id, department_id=body.department_id))
    async with ask.transaction() as tx:
        made = await make_code(tx, agent_id=body.agent_id, name=body.name, kind=body.kind, department_id=body.department_id,
                               enterprise_id=body.enterprise_id, trusted=body.trusted, must_sign=body.must_sign, by=ask.who)
    base = ask.hub.settings.public_url or f"{ask.request.scheme}://{ask.request.host}"
    return Code(code=made, agent_id=body.agent_id, command=f"tocsin agent enroll --hub {base} --code {made}", expires_in_s=86_400)


async def enroll(ask: Ask) -> Answer:
    """Use a one-time code: an identity and its password, told this once."""
    ask.require(Action.ENROLL_WITH_CODE, HUB)
    address = ask.request.remote or ""
    async with ask.transaction() as tx:
        if (wait_s := await wait_for_code(tx, address)) > 0:
            return wait(wait_s)
        try:
            device, secret = await enrol(tx, ask.body.code, public_key=ask.body.public_key)
        except Rejected as error:
            if error.code != WRONG_CODE:
                raise
            await note_wrong_code(tx, address)
            return refusing(422, error.code, error.zh, error.en, field=error.field)
        await forgive_codes(tx, address)
        certificate = await certify(tx, ask.hub.settings, device, ask.body.csr)
    await ask.hub.registry.load()
    settings = ask.hub.settings
    host, port, tls = ask.hub.mqtt_address(ask.request.host.rpartition(":")[0] or ask.request.host)
    return Answer(Enrolled(agent_id=device.id, hub_id=settings.hub_id, department_id=device.department_id,
                           mqtt=MqttAddress(host=host, port=port, tls=tls), username=device.id, password=secret,
                           media_username=device.id + MEDIA_SUFFIX, ca_pem=ask.hub.ca_pem(), cert_pem=certificate, must_sign=device.must_sign), status=201)


async def changing(ask: Ask) -> AgentView:
    """Change how an agent's reports are taken; it counts at once."""
    body: ChangeBody = ask.body
    async with ask.store.read() as conn:
        device = await get_agent(conn, ask.path["id"])
    ask.require(Action.AGENT_EDIT, Thing(kind=ThingKind.AGENT, id=ask.path["id"], department_id=device.department_id if device else None))
    async with ask.transaction() as tx:
        view = await change_agent(tx, ask.path["id"], by=ask.who, reason=body.reason, must_sign=body.must_sign, trusted=body.trusted,
                                  quota_per_minute=body.quota_per_minute)
        if view is None:
            raise NotFound
    await ask.hub.registry.load()
    return view


async def revoking(ask: Ask) -> AgentView:
    """Revoke an agent; its live connection is cut."""
    async with ask.store.read() as conn:
        device = await get_agent(conn, ask.path["id"])
    if device is None:
        ask.require(Action.AGENT_REVOKE, Thing(kind=ThingKind.AGENT, id=ask.path["id"]))
        raise NotFound
    ask.require(Action.AGENT_REVOKE, Thing(kind=ThingKind.AGENT, id=device.id, department_id=device.department_id))
    async with ask.transaction() as tx:
        view = await revoke(tx, device.id, by=ask.who, reason=ask.body.reason)
        if view is None:
            raise NotFound
        withdraw(tx, ask.hub.settings, device.id, ask.body.reason, by=ask.who)
    await ask.hub.registry.load()
    return view


async def renewing(ask: Ask) -> Renewed:
    """A further certificate for the agent that asks, by its own credential; the former stays good until it ends."""
    ask.require(Action.REPORT_FILE, own(ask))
    async with ask.store.read() as conn:
        device = await get_agent(conn, ask.actor.id) if ask.actor.kind is ActorKind.AGENT else None
    if device is None:
        raise NotFound
    async with ask.transaction() as tx:
        certificate = await certify(tx, ask.hub.settings, device, ask.body.csr)
    ca = ask.hub.ca_pem()
    if certificate is None or ca is None:
        raise Rejected("no_ca", "本中心没有 CA", "this hub has no CA")
    return Renewed(cert_pem=certificate, ca_pem=ca)


ROUTES = [
    Route("GET", "/api/v1/agents", listing, Action.AGENT_READ, returns=Agents, zh="终端列表", en="agents"),
    Route("POST", "/api/v1/agents/codes", code, Action.AGENT_ENROLL, body=CodeBody, returns=Code, zh="签发入网码", en="make a code"),
    Route("POST", "/api/v1/enroll", enroll, PUBLIC, body=EnrolBody, returns=Enrolled, status=201, csrf=False, zh="入网", en="enrol"),
    Route("POST", "/api/v1/agent/certificate", renewing, Action.REPORT_FILE, body=RenewBody, returns=Renewed, status=201, csrf=False,
          zh="更换终端证书", en="renew an agent's certificate"),
    Route("PUT", "/api/v1/agents/{id}", changing, Action.AGENT_EDIT, body=ChangeBody, returns=AgentView, zh="修改终端设置", en="change an agent"),
    Route("POST", "/api/v1/agents/{id}/revoke", revoking, Action.AGENT_REVOKE, body=RevokeBody, returns=AgentView, zh="吊销", en="revoke"),
]
