"""An agent renews its own certificate before it ends, while it files; and one that must sign has nothing else taken."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from agents.enroll import enroll
from agents.keys import certificate_request, sign_report, signing_key
from agents.renewal import Life, Renewal, life_of
from agents.run import open_outbox
from agents.scenes import everyday_report
from agents.session import Session
from agents.settings import AgentSettings, basic_credential, load_settings, read_password, tls_context
from hub import wire
from hub.app import Running, running
from hub.domain.access import Role
from hub.errors import Rejected, Unavailable
from hub.operate.ca import Authority, web_certificate
from hub.settings import Settings
from hub.store import Store, changes_after
from hub.store.agents import change_agent, enrol, make_code, new_secret, put_agent
from hub.wire import ReceiptStatus
from tests.support.ports import free_port
from tests.support.until import until
from tests.support.web_hub import Visitor, cookie_for

ALMOST_A_LIFE = timedelta(days=380)


@dataclass
class Plant:
    """A hub that asks agents for certificates, and an agent's folder that is enrolled with it."""

    hub: Running
    folder: Path
    settings: AgentSettings

    @property
    def authority(self) -> Authority:
        found = Authority.open(self.hub.services.settings.data_path)
        assert found is not None
        return found

    @property
    def trust(self) -> ssl.SSLContext:
        """The hub's authority, for HTTPS."""
        return ssl.create_default_context(cafile=str(self.authority.bundle))


@contextlib.asynccontextmanager
async def enrolled(tmp_path: Path, *, must_sign: bool = False) -> AsyncIterator[Plant]:
    certificate, key = web_certificate(tmp_path / "hub", ["localhost", "127.0.0.1"], datetime.now(UTC))
    settings = Settings(data_dir=str(tmp_path / "hub"), web_port=0, broker_port=0, broker_tls_port=free_port(), broker_tls_client_certs=True,
                        tls_cert_file=certificate, tls_key_file=key)
    async with running(settings, only=frozenset({"ingest", "web"})) as hub:
        async with hub.services.store.transaction() as tx:
            code = await make_code(tx, agent_id="plant", name="厂", kind="field", department_id="fire-rescue", must_sign=must_sign, by="system:test")
        folder = tmp_path / "agent"
        await enroll(folder, hub.web_url, code, ca_file=tmp_path / "hub" / "ca" / "ca.pem")
        yield Plant(hub, folder, load_settings(folder, {}))


@contextlib.asynccontextmanager
async def talking(plant: Plant) -> AsyncIterator[tuple[Session, Renewal]]:
    """The agent's session, and its renewal."""
    password, tls = read_password(plant.folder, plant.settings), tls_context(plant.folder, plant.settings)
    assert tls is not None
    with closing(open_outbox(plant.folder, plant.settings)) as outbox:
        session = Session(plant.settings, outbox, password=password, tls=tls)
        run = asyncio.create_task(session.run())
        await until(session.connected.is_set)
        yield session, Renewal(plant.folder, plant.settings, password, contexts=(tls,),
                               on_renewed=lambda: session.reconnect("certificate renewed"))
        session.stop()
        await run


def fresh() -> wire.Report:
    return everyday_report(random.Random(), datetime.now(UTC))


@pytest.mark.parametrize(("days", "left", "due"), [(397, 31, False), (397, 29, True), (397, -1, True), (60, 21, False), (60, 19, True)])
def test_a_certificate_is_renewed_a_month_before_its_end_or_with_a_third_of_a_short_life_left(days: int, left: int, due: bool) -> None:
    now = datetime.now(UTC)
    ends = now + timedelta(days=left, minutes=1)
    assert Life(ends - timedelta(days=days), ends).due(now) is due


async def test_an_agent_renews_its_certificate_while_it_files_and_no_report_is_lost(tmp_path: Path) -> None:
    async with enrolled(tmp_path) as plant:
        request = certificate_request(plant.folder, "plant")
        ending, old = plant.authority.issue_agent(request, "plant", datetime.now(UTC) - ALMOST_A_LIFE)
        (plant.folder / "cert.pem").write_text(ending)
        async with talking(plant) as (session, renewal):
            sent = [fresh() for _ in range(60)]
            for report in sent[:20]:
                await session.file(report)
            renewing = asyncio.create_task(renewal.look())
            for report in sent[20:]:
                await session.file(report)
            assert await renewing is True
            assert await renewal.look() is False, "the new one is good for a year"
            await until(lambda: session.counts["connections"] >= 2)
            receipts = [await session.receipt(report.id, 20) for report in sent]
            assert {receipt.status for receipt in receipts} <= {ReceiptStatus.STORED, ReceiptStatus.DUPLICATE}
            # the connection that stands now was made with the new certificate: the old one's end does not touch it
            plant.authority.revoke(old.serial, datetime.now(UTC), "replaced")
            last = fresh()
            await session.file(last)
            assert (await session.receipt(last.id, 20)).status is ReceiptStatus.STORED
            connections = session.counts["connections"]
            await until(lambda: int(old.serial, 16) in plant.authority.revoked())
            assert session.connected.is_set()
            assert session.counts["connections"] == connections
        assert life_of((plant.folder / "cert.pem").read_bytes()).ends_at > datetime.now(UTC) + timedelta(days=300)
        assert await kinds(plant, "certificate.issued") == 2


async def test_after_a_rotation_of_the_authority_an_agent_fetches_a_certificate_of_the_new_one_by_itself(tmp_path: Path) -> None:
    async with enrolled(tmp_path) as plant, talking(plant) as (session, renewal):
        assert await renewal.look() is False
        plant.authority.rotate(datetime.now(UTC))
        assert await renewal.look() is True
        assert await renewal.look() is False
        assert (plant.folder / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 2
        await until(lambda: session.counts["connections"] >= 2)
        report = fresh()
        await session.file(report)
        assert (await session.receipt(report.id, 20)).status is ReceiptStatus.STORED


async def test_an_agent_whose_hub_is_away_keeps_its_certificate_and_asks_again(tmp_path: Path) -> None:
    async with enrolled(tmp_path) as plant:
        ending, _ = plant.authority.issue_agent(certificate_request(plant.folder, "plant"), "plant", datetime.now(UTC) - ALMOST_A_LIFE)
        (plant.folder / "cert.pem").write_text(ending)
        away = msgspec.structs.replace(plant.settings, hub_url=f"http://127.0.0.1:{free_port()}")
        renewal = Renewal(plant.folder, away, "p", contexts=(plant.trust,))
        with pytest.raises(Unavailable):
            await renewal.look()
        wrong = Renewal(plant.folder, plant.settings, "not its password", contexts=(plant.trust,))
        with pytest.raises(Unavailable, match="401"):
            await wrong.look()
        assert (plant.folder / "cert.pem").read_text() == ending


async def test_of_an_agent_that_must_sign_only_signed_reports_are_taken_by_every_channel(tmp_path: Path) -> None:
    async with enrolled(tmp_path, must_sign=True) as plant:
        assert plant.settings.sign, "the enrolment told it so"
        async with talking(plant) as (session, _):
            report = fresh()
            await session.file(report)
            assert (await session.receipt(report.id, 20)).status is ReceiptStatus.STORED
        header = basic_credential("plant", read_password(plant.folder, plant.settings))
        stranger = signing_key(tmp_path / "stranger")
        async with Visitor(plant.hub.web_url, headers=header, tls=plant.trust) as agent:
            for unfit, reason in ((fresh(), "signature_needed"), (sign_report(fresh(), stranger), "bad_signature")):
                assert await agent.ask("POST", "/api/v1/reports", raw=wire.encode(unfit)) == 422
                assert (agent.body["reason"], agent.body["field"]) == (reason, "signature")
            assert await agent.ask("POST", "/api/v1/reports", raw=wire.encode(sign_report(fresh(), signing_key(plant.folder)))) == 201
        assert await kinds(plant, "message.quarantined") == 2


async def test_must_sign_is_set_for_an_agent_by_the_system_administrator_and_counts_at_once(tmp_path: Path) -> None:
    async with enrolled(tmp_path) as plant:
        header = basic_credential("plant", read_password(plant.folder, plant.settings))
        _, token = await cookie_for(plant.hub.services.store, Role.SYSTEM_ADMIN, department="district-office")
        async with Visitor(plant.hub.web_url, headers=header, tls=plant.trust) as agent, Visitor(plant.hub.web_url, tls=plant.trust) as admin:
            admin.hold(token)
            assert await agent.ask("POST", "/api/v1/reports", raw=wire.encode(fresh())) == 201
            assert await admin.ask("PUT", "/api/v1/agents/plant", {"must_sign": True, "reason": "专线改公网"}) == 200
            assert admin.body["must_sign"] is True
            assert await agent.ask("POST", "/api/v1/reports", raw=wire.encode(fresh())) == 422
            assert await admin.ask("PUT", "/api/v1/agents/plant", {"must_sign": False, "reason": "恢复"}) == 200
            assert await agent.ask("POST", "/api/v1/reports", raw=wire.encode(fresh())) == 201
            assert await admin.ask("PUT", "/api/v1/agents/nobody", {"must_sign": True, "reason": "…"}) == 404
        assert await kinds(plant, "agent.changed") == 2


async def test_an_agent_without_a_key_cannot_be_told_to_sign(tmp_path: Path) -> None:
    async with Store(Settings(data_dir=str(tmp_path)).database_url) as store, store.transaction() as tx:
        await put_agent(tx, agent_id="old", name="旧", kind="field", department_id="fire-rescue", secret=new_secret())
        with pytest.raises(Rejected, match="key_needed"):
            await change_agent(tx, "old", by="person:admin", reason="…", must_sign=True)
        code = await make_code(tx, agent_id="new", name="新", kind="field", department_id="fire-rescue", must_sign=True, by="person:admin")
        with pytest.raises(Rejected, match="key_needed"):
            await enrol(tx, code)


async def kinds(plant: Plant, kind: str) -> int:
    """How many changes of a kind there are."""
    async with plant.hub.services.store.read() as conn:
        return sum(change.kind == kind for change in await changes_after(conn, 0, limit=2000))
