"""The agent's certificate: how long it lasts, and its renewal at the hub a month before it ends, while reports go on.

The request is over the key that is there, so the certificate is the only file that changes: it is replaced as a whole, and a crash at any
moment leaves a pair that fits. The former certificate stays good until it ends. Nothing here touches the outbox.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import msgspec
from cryptography import x509
from msgspec import Struct

from agents.keys import TLS_KEY, certificate_request
from agents.settings import AgentSettings, basic_credential, write_private
from hub.errors import Rejected, Unavailable, why_en, why_zh

log = logging.getLogger("tocsin.agent")

RENEW_BEFORE: Final = timedelta(days=30)
"""A certificate is renewed so long before it ends (and it is warned of), or with a third of a short life left."""
LOOK_EVERY_S: Final = 6 * 3600.0
RETRY_FIRST_S: Final = 60.0
TIMEOUT_S: Final = 30.0


class Life(NamedTuple):
    """From when until when a certificate is good."""

    begins_at: datetime
    ends_at: datetime

    def due(self, now: datetime) -> bool:
        """Is it time to renew it?"""
        return self.ends_at - now <= min(RENEW_BEFORE, (self.ends_at - self.begins_at) / 3)


class Renewed(Struct, frozen=True, kw_only=True):
    """The hub's answer: the new certificate, and every authority that is trusted now."""

    cert_pem: str
    ca_pem: str


def life_of(pem: bytes) -> Life:
    """The life of the first certificate of a PEM file; raises ValueError for anything else."""
    certificate = x509.load_pem_x509_certificate(pem)
    return Life(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def certificate_life(folder: Path, settings: AgentSettings) -> Life | None:
    """How long an agent's certificate is good; None without one, or where its file cannot be read."""
    try:
        return life_of((folder / settings.cert_file).read_bytes()) if settings.cert_file else None
    except (OSError, ValueError):
        return None


class Renewal:
    """Keeps one agent's certificate good. `contexts` are the TLS contexts in use: they take the new certificate for their next connections.

    `on_renewed` is called after that, so that whoever holds a connection can make a new one.
    """

    def __init__(
        self, folder: Path, settings: AgentSettings, password: str | None, *, contexts: Sequence[ssl.SSLContext] = (),
        on_renewed: Callable[[], None] = lambda: None, now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.renewed = 0
        self._password = password
        self._contexts = contexts
        self._on_renewed = on_renewed
        self._now = now

    async def run(self) -> None:
        """Look every few hours, for ever; a hub that is away is asked again, later each time."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                await self.look()
                pause_s = LOOK_EVERY_S
            except (Rejected, Unavailable, OSError, ValueError) as error:
                log.error("the certificate could not be renewed: %s", error, extra={"agent": self.settings.agent_id})
                pause_s = min(LOOK_EVERY_S, 2 * pause_s)
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.0))

    async def look(self) -> bool:
        """Renew the certificate where it is time; gives whether it was. Raises Unavailable, or Rejected with the hub's sentence."""
        life = self.life()
        now = self._now()
        if life is None or not (life.due(now) or await self._authority_changed()):
            return False
        log.warning("the certificate ends at %s and is renewed now", life.ends_at.isoformat(), extra={"agent": self.settings.agent_id})
        if self.settings.key_file != TLS_KEY:
            raise Rejected("foreign_key", "私钥不是入网时生成的，请人工更换证书", "the key was not made at enrolment; renew this certificate by hand")
        request = await asyncio.to_thread(certificate_request, self.folder, self.settings.agent_id)
        answer = await self._ask(request)
        await asyncio.to_thread(self._keep, answer)
        for context in self._contexts:
            context.load_verify_locations(cadata=answer.ca_pem)
            context.load_cert_chain(self.folder / (self.settings.cert_file or ""), self.folder / TLS_KEY)
        self.renewed += 1
        self._on_renewed()
        return True

    def life(self) -> Life | None:
        """How long the certificate is good; None for an agent without one."""
        return certificate_life(self.folder, self.settings)

    async def _authority_changed(self) -> bool:
        """Does the hub trust other authorities than this agent knows (its CA was rotated)? Only a hub that has shown who it is is believed."""
        if not self.settings.ca_file or not self.settings.hub_url.startswith("https://"):
            return False
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http, http.get(
                self.settings.hub_url.rstrip("/") + "/ca.pem", ssl=self._contexts[0] if self._contexts else True, allow_redirects=False,
            ) as response:
                told = await response.text() if response.status == 200 else ""
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        known = (self.folder / self.settings.ca_file).read_text(encoding="utf-8")
        return "BEGIN CERTIFICATE" in told and told.split() != known.split()

    async def _ask(self, csr: str) -> Renewed:
        url = self.settings.hub_url.rstrip("/") + "/api/v1/agent/certificate"
        headers = basic_credential(self.settings.agent_id, self._password)
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http, http.post(
                url, json={"csr": csr}, headers=headers, ssl=self._contexts[0] if self._contexts else True, allow_redirects=False,
            ) as response:
                body = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("hub_unreachable", f"连不上中心：{why_zh(error)}", f"cannot reach the hub: {why_en(error)}") from None
        if status not in (200, 201):
            raise Unavailable("not_renewed", f"中心未更换证书（{status}）", f"the hub did not renew it ({status}): {body[:200]!r}")
        try:
            return msgspec.json.decode(body, type=Renewed)
        except msgspec.DecodeError as error:
            raise Rejected("strange_answer", f"看不懂中心的答复：{error}", f"the hub's answer makes no sense: {error}") from None

    def _keep(self, answer: Renewed) -> None:
        """Check that the certificate fits the key, then write: first whom to trust, then the certificate itself."""
        life = life_of(answer.cert_pem.encode())
        if life.due(self._now()):
            raise Rejected("short_certificate", "新证书的有效期太短", f"the new certificate ends at {life.ends_at.isoformat()} already")
        trial = write_private(self.folder / "cert.pem.trial", answer.cert_pem)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(trial, self.folder / TLS_KEY)
        except ssl.SSLError as error:
            raise Rejected("strange_answer", f"新证书与密钥不符：{error}", f"the new certificate does not fit the key: {error}") from None
        finally:
            trial.unlink()
        if self.settings.ca_file:
            write_private(self.folder / self.settings.ca_file, answer.ca_pem)
        write_private(self.folder / (self.settings.cert_file or ""), answer.cert_pem)
