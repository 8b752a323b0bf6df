"""Agents in the store: enrolment by one-time code, credentials, presence, revocation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.clock import utc_text
from hub.domain.agent import AgentChanged, AgentCodeMade, AgentEnrolled, AgentPresence, AgentRevoked, AgentView, WindObserved
from hub.errors import Rejected
from hub.ids import is_slug
from hub.store.schema import agent, enrol_code
from hub.store.writer import Transaction
from hub.wire import Presence, Telemetry, troubles_of

CODE_LIFE = timedelta(hours=24)
"""How long an enrolment code is good (our own choice: one working day)."""
WRONG_CODE = "wrong_code"
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def hash_secret(secret: str) -> str:
    """A stored form of a machine's secret, in the form that Mosquitto's password file has too (`$7$`: PBKDF2-HMAC-SHA512, 101 rounds).

    Few rounds are enough, because the secret is 256 random bits and not a person's password.
    """
    salt = secrets.token_bytes(12)
    return f"$7${_ROUNDS}${b64encode(salt).decode()}${b64encode(_derive(secret, salt, _ROUNDS)).decode()}"


_ROUNDS = 101


def _derive(secret: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, rounds)


def secret_matches(secret: str, stored: str | None) -> bool:
    """Does the secret match its stored form? In constant time."""
    if not stored or not stored.startswith("$7$"):
        return False
    _, _, rounds, salt, digest = stored.split("$")
    return hmac.compare_digest(_derive(secret, b64decode(salt), int(rounds)), b64decode(digest))


def new_secret() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(32)


def _code_hash(code: str) -> str:
    return hashlib.sha256(code.replace("-", "").upper().encode()).hexdigest()


def _view(row: Any) -> AgentView:
    presence = msgspec.json.decode(row.presence, type=Presence) if row.presence else Presence(online=False)
    telemetry = msgspec.json.decode(row.telemetry, type=Telemetry) if row.telemetry else None
    skew_ms = telemetry.skew_ms if telemetry else None
    return AgentView(
        id=row.id, name=row.name, kind=row.kind, department_id=row.department_id, enterprise_id=row.enterprise_id, trusted=bool(row.trusted),
        created_at=row.created_at, revoked_at=row.revoked_at, online=bool(row.online), seen_at=row.seen_at, queued=presence.queued,
        version=presence.version, skew_s=skew_ms / 1000 if skew_ms is not None else None, quota_per_minute=row.quota_per_minute,
        cameras=presence.cameras, wind=telemetry.wind if telemetry else None, must_sign=bool(row.must_sign), signs=row.public_key is not None,
    )


async def list_agents(conn: AsyncConnection, *, where: Any = None) -> list[AgentView]:
    """Every agent, by id."""
    query = select(agent).order_by(agent.c.id)
    return [_view(row) for row in (await conn.execute(query if where is None else query.where(where))).all()]


async def get_agent(conn: AsyncConnection, id: str) -> AgentView | None:
    """One agent, or None."""
    row = (await conn.execute(select(agent).where(agent.c.id == id))).first()
    return _view(row) if row else None


async def credentials(conn: AsyncConnection) -> dict[str, str]:
    """Agent id → stored secret, of every agent that is not revoked."""
    rows = await conn.execute(select(agent.c.id, agent.c.secret_hash).where(agent.c.revoked_at.is_(None), agent.c.secret_hash.is_not(None)))
    return {row.id: row.secret_hash for row in rows.all()}


async def certificate_serials(conn: AsyncConnection) -> dict[str, str]:
    """Agent id → serial number (hex) of its newest certificate."""
    rows = await conn.execute(select(agent.c.id, agent.c.certificate_serial).where(agent.c.certificate_serial.is_not(None)))
    return {row.id: row.certificate_serial for row in rows.all()}


async def authenticate_agent(conn: AsyncConnection, agent_id: str, secret: str) -> AgentView | None:
    """The agent whose secret this is; None for a wrong secret, an unknown or a revoked agent."""
    row = (await conn.execute(select(agent).where(agent.c.id == agent_id, agent.c.revoked_at.is_(None)))).first()
    if row is None or not secret_matches(secret, row.secret_hash):
        return None
    return _view(row)


async def make_code(
    tx: Transaction, *, agent_id: str, name: str, kind: str, department_id: str, by: str, enterprise_id: str | None = None, trusted: bool = False,
    must_sign: bool = False,
) -> str:
    """A one-time code (`XXXX-XXXX-XXXX`, 60 bits) with which an agent enrols within a day; only its hash is kept. Raises Rejected."""
    if not is_slug(agent_id) or agent_id == "hub" or agent_id.startswith("hub-"):
        raise Rejected("wrong_id", "终端标识只能用小写字母、数字和连字符，且不能以 hub 开头",
                       "an agent id has a–z, 0–9 and hyphens, and does not begin with hub", field="agent_id")
    code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))
    expires_at = utc_text(tx.now + CODE_LIFE)
    await tx.conn.execute(insert(enrol_code).values(
        code_hash=_code_hash(code), agent_id=agent_id, name=name, kind=kind, department_id=department_id, enterprise_id=enterprise_id,
        trusted=trusted, must_sign=must_sign, created_by=by, created_at=tx.at, expires_at=expires_at))
    tx.record(AgentCodeMade(agent_id=agent_id, department_id=department_id, expires_at=expires_at), actor=by, subject=f"agent:{agent_id}",
              department_id=department_id)
    return code


async def enrol(tx: Transaction, code: str, *, public_key: str | None = None) -> tuple[AgentView, str]:
    """Use a code: the agent and its new secret (told once). Raises Rejected `wrong_code` for an unknown, used or expired code."""
    row = (await tx.conn.execute(select(enrol_code).where(enrol_code.c.code_hash == _code_hash(code)))).first()
    if row is None or row.used_at is not None or row.expires_at < tx.at:
        raise Rejected(WRONG_CODE, "入网码无效、已使用或已过期，请向管理员索取新码", "the code is wrong, used or expired; ask for a new one",
                       field="code")
    used = await tx.conn.execute(
        update(enrol_code).where(enrol_code.c.code_hash == row.code_hash, enrol_code.c.used_at.is_(None)).values(used_at=tx.at))
    if used.rowcount != 1:
        raise Rejected(WRONG_CODE, "入网码已使用", "the code has been used", field="code")
    if row.must_sign and public_key is None:
        raise Rejected("key_needed", "此终端的报告必须签名，入网时须提供公钥", "this agent must sign its reports: it enrols with a public key", field="public_key")
    secret = new_secret()
    await put_agent(tx, agent_id=row.agent_id, name=row.name, kind=row.kind, department_id=row.department_id,
                    enterprise_id=row.enterprise_id, trusted=row.trusted, secret=secret, public_key=public_key,
                    must_sign=bool(row.must_sign))
    view = await get_agent(tx.conn, row.agent_id)
    assert view is not None
    tx.record(AgentEnrolled(agent=view), actor=f"agent:{view.id}", subject=f"agent:{view.id}", department_id=view.department_id)
    return view, secret


async def put_agent(
    tx: Transaction, *, agent_id: str, name: str, kind: str, department_id: str, secret: str, enterprise_id: str | None = None,
    trusted: bool = False, public_key: str | None = None, must_sign: bool = False,
) -> None:
    """Make the agent, or give an existing one a new credential."""
    values: dict[str, Any] = {
        "name": name, "kind": kind, "department_id": department_id, "enterprise_id": enterprise_id, "trusted": trusted, "must_sign": must_sign,
        "secret_hash": hash_secret(secret), "public_key": public_key, "revoked_at": None,
    }
    done = await tx.conn.execute(update(agent).where(agent.c.id == agent_id).values(**values))
    if not done.rowcount:
        await tx.conn.execute(insert(agent).values(id=agent_id, created_at=tx.at, online=False, **values))


async def change_agent(
    tx: Transaction, agent_id: str, *, by: str, reason: str, must_sign: bool | None = None, trusted: bool | None = None,
    quota_per_minute: int | None = None,
) -> AgentView | None:
    """Change how an agent's reports are taken (None leaves a setting as it is); None where there is no such active agent.

    Raises Rejected `key_needed` for `must_sign` of an agent that has enrolled without a key: nothing it sends could ever be taken.
    """
    before = await get_agent(tx.conn, agent_id)
    if before is None or before.revoked_at is not None:
        return None
    if must_sign and not before.signs:
        raise Rejected("key_needed", "该终端没有登记签名公钥，请先重新入网", "this agent has no key to sign with; enrol it anew first", field="must_sign")
    given = {"must_sign": must_sign, "trusted": trusted, "quota_per_minute": quota_per_minute}
    values = {name: value for name, value in given.items() if value is not None and value != getattr(before, name)}
    if not values:
        return before
    await tx.conn.execute(update(agent).where(agent.c.id == agent_id).values(**values))
    view = await get_agent(tx.conn, agent_id)
    assert view is not None
    tx.record(AgentChanged(agent=view, reason=reason), actor=by, subject=f"agent:{agent_id}", department_id=view.department_id)
    return view


async def revoke(tx: Transaction, agent_id: str, *, by: str, reason: str) -> AgentView | None:
    """Revoke an agent: its credential is worthless from the commit on. None where there is no such active agent."""
    done = await tx.conn.execute(
        update(agent).where(agent.c.id == agent_id, agent.c.revoked_at.is_(None)).values(revoked_at=tx.at, online=False))
    if done.rowcount != 1:
        return None
    view = await get_agent(tx.conn, agent_id)
    assert view is not None
    tx.record(AgentRevoked(agent=view, reason=reason), actor=by, subject=f"agent:{agent_id}", department_id=view.department_id)
    return view


async def note_presence(tx: Transaction, agent_id: str, presence: Presence) -> None:
    """Keep what an agent says of itself; a change is recorded where it came, went, or a camera's state or what is wrong with it differs."""
    before = await get_agent(tx.conn, agent_id)
    if before is None:
        return
    await tx.conn.execute(update(agent).where(agent.c.id == agent_id).values(
        online=presence.online, seen_at=tx.at, presence=msgspec.json.encode(presence).decode()))
    after = await get_agent(tx.conn, agent_id)
    assert after is not None
    if before.online != after.online or _states(before) != _states(after):
        tx.record(AgentPresence(agent=after), actor=f"agent:{agent_id}", subject=f"agent:{agent_id}", department_id=after.department_id)


def _states(view: AgentView) -> dict[str, tuple[object, ...]]:
    return {camera.id: (camera.health, camera.dropped_audio, troubles_of(camera.health, camera.measure)) for camera in view.cameras}


async def note_telemetry(tx: Transaction, agent_id: str, telemetry: Telemetry) -> None:
    """Keep an agent's measurements; a wind that is new is a change."""
    before = await get_agent(tx.conn, agent_id)
    if before is None:
        return
    await tx.conn.execute(update(agent).where(agent.c.id == agent_id).values(
        seen_at=tx.at, telemetry=msgspec.json.encode(telemetry).decode()))
    if telemetry.wind is not None and telemetry.wind != before.wind:
        tx.record(WindObserved(agent_id=agent_id, wind=telemetry.wind), actor=f"agent:{agent_id}", subject=f"agent:{agent_id}",
                  department_id=before.department_id)
