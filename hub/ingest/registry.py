"""The agents as the intake needs them: who may speak in whose topic, kept in memory and refreshed from the store and its feed."""

from __future__ import annotations

import asyncio

from hub.errors import Unavailable
from hub.ingest.intake import Source
from hub.store import Store
from hub.store.access import PolicyBook
from hub.store.agents import credentials, list_agents, secret_matches
from hub.store.proof import public_keys
from hub.wire import MEDIA_SUFFIX

_KINDS = frozenset({"agent.enrolled", "agent.revoked", "agent.changed", "policy.changed"})


class Registry:
    """Active agents by id. `run()` follows the feed, so that an enrolment or a revocation counts within a second."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._policies = PolicyBook()
        self._sources: dict[str, Source] = {}
        self._secrets: dict[str, str] = {}
        self._seq = 0
        self.on_revoked: list[asyncio.Queue[str]] = []

    async def load(self) -> None:
        """Read every active agent."""
        self._seq = await self.store.head()
        async with self.store.read() as conn:
            agents = await list_agents(conn)
            self._secrets = await credentials(conn)
            keys = await public_keys(conn)
            policy = (await self._policies.read(conn)).access
        before, measured = set(self._sources), {id: source.skew_s for id, source in self._sources.items()}
        self._sources = {
            a.id: Source(f"agent:{a.id}", agent_id=a.id, department_id=a.department_id, trusted=a.trusted,
                         quota_per_minute=a.quota_per_minute, skew_s=a.skew_s if measured.get(a.id) is None else measured[a.id],
                         public_key=keys.get(a.id), must_sign=a.must_sign,
                         acts=policy.agent(a.id, department_id=a.department_id, enterprise_id=a.enterprise_id))
            for a in agents if a.revoked_at is None
        }
        for gone in before - set(self._sources):
            for queue in self.on_revoked:
                queue.put_nowait(gone)

    async def run(self) -> None:
        """Reload whenever the feed says that an agent came or went."""
        while True:
            try:
                items = await self.store.tail.after(self._seq, 1000)
                if any(change.kind in _KINDS for change in items):
                    await self.load()
                elif items:
                    self._seq = items[-1].seq
                else:
                    await self.store.grown(self._seq, within_s=1.0)
            except Unavailable:
                await asyncio.sleep(1)

    def source(self, agent_id: str) -> Source | None:
        """The active agent, or None."""
        return self._sources.get(agent_id)

    def accepts(self, username: str, password: str) -> bool:
        """Is this the password of the agent (or of its media identity)?"""
        agent_id = username.removesuffix(MEDIA_SUFFIX)
        stored = self._secrets.get(agent_id)
        return stored is not None and secret_matches(password, stored)
