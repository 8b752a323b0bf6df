"""Agents as the hub knows them, and the changes of their lives. Pure."""

from __future__ import annotations

from msgspec import Struct

from hub.domain.change import ChangeBody, change
from hub.wire import Camera, Wind


class AgentView(Struct, frozen=True, kw_only=True):
    """An agent: whose it is, whether it is there, and what it last said of itself. `queued` counts reports it still holds.

    `must_sign`: its reports count only with a signature of its own key. `signs`: it has enrolled with one.
    """

    id: str
    name: str
    kind: str
    department_id: str
    enterprise_id: str | None
    trusted: bool
    created_at: str
    revoked_at: str | None
    online: bool
    seen_at: str | None
    queued: int = 0
    version: str | None = None
    skew_s: float | None = None
    quota_per_minute: int | None = None
    must_sign: bool = False
    signs: bool = False
    cameras: tuple[Camera, ...] = ()
    wind: Wind | None = None


@change("agent.enrolled", zh="终端入网", en="an agent was enrolled")
class AgentEnrolled(ChangeBody, frozen=True, kw_only=True):
    """The agent with its new credential (the credential itself is nowhere)."""

    agent: AgentView


@change("agent.code_made", zh="签发入网码", en="a one-time enrolment code was made")
class AgentCodeMade(ChangeBody, frozen=True, kw_only=True):
    """For which agent, until when."""

    agent_id: str
    department_id: str
    expires_at: str


@change("agent.code_refused", zh="入网码被拒", en="a wrong enrolment code was tried")
class AgentCodeRefused(ChangeBody, frozen=True, kw_only=True):
    """From where. The code itself is not kept: it may be a right one with a letter wrong."""

    address: str


@change("agent.presence", zh="终端上下线", en="an agent came, went, or one of its cameras changed state")
class AgentPresence(ChangeBody, frozen=True, kw_only=True):
    """The agent as it now is."""

    agent: AgentView


@change("agent.changed", zh="终端设置变更", en="an agent's settings were changed")
class AgentChanged(ChangeBody, frozen=True, kw_only=True):
    """The agent as it now is, and why."""

    agent: AgentView
    reason: str


@change("agent.revoked", zh="终端吊销", en="an agent was revoked")
class AgentRevoked(ChangeBody, frozen=True, kw_only=True):
    """The agent, revoked, and why."""

    agent: AgentView
    reason: str


@change("wind.observed", zh="风向风速更新", en="an agent measured the wind")
class WindObserved(ChangeBody, frozen=True, kw_only=True):
    """The wind, and which agent measured it."""

    agent_id: str
    wind: Wind
