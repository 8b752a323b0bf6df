"""Eight bad certificates at the embedded broker and at a real Mosquitto; revocation cuts a live session; rotation loses nobody."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.app import running
from hub.operate.broker_config import follow, write_all
from hub.operate.ca import Authority, web_certificate
from hub.operate.secrets import own_secret
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import new_secret, put_agent, revoke
from hub.wire import MediaKind, Topics, media_header
from tests.support.certificates import NAMES, Papers, Shown, admitted
from tests.support.mosquitto import BINARY, listens
from tests.support.mqtt import Raw
from tests.support.ports import free_port

TOPICS = Topics()


@dataclass
class Broker:
    """A broker with a certificate listener, two agents, and papers for the first."""

    settings: Settings
    plain_port: int
    tls_port: int
    papers: Papers
    secrets: dict[str, str]

    @property
    def ca(self) -> Path:
        return self.papers.authority.bundle

    async def lets_in(self, papers: Path | None, *, user: str = "plant", old: bool = False, password: str | None = None) -> bool:
        return await admitted(self.tls_port, self.ca, papers, user, password or self.secrets[user], old=old)


async def _agents(settings: Settings) -> dict[str, str]:
    secrets = {name: new_secret() for name in ("plant", "other")}
    async with Store(settings.database_url) as store, store.transaction() as tx:
        for name, secret in secrets.items():
            await put_agent(tx, agent_id=name, name=name, kind="field", department_id="fire-rescue", secret=secret)
    return secrets


def _settings(folder: Path) -> Settings:
    now = datetime.now(UTC)
    certificate, key = web_certificate(folder, ["localhost", "127.0.0.1"], now)
    return Settings(data_dir=str(folder), web_port=0, broker_port=0, broker_tls_port=free_port(), broker_tls_client_certs=True,
                    tls_cert_file=certificate, tls_key_file=key)


@contextlib.asynccontextmanager
async def embedded(tmp_path: Path) -> AsyncIterator[Broker]:
    settings = _settings(tmp_path)
    secrets = await _agents(settings)
    authority = Authority.open(tmp_path)
    assert authority is not None
    async with running(settings, only=frozenset({"ingest"})) as hub:
        yield Broker(settings, hub.mqtt_port, settings.broker_tls_port, Papers(authority, tmp_path, "plant", "other"), secrets)


@contextlib.asynccontextmanager
async def mosquitto(tmp_path: Path) -> AsyncIterator[Broker]:
    settings = _settings(tmp_path)
    secrets = await _agents(settings)
    authority = Authority.open(tmp_path)
    assert authority is not None
    folder = tmp_path / "mosquitto"
    plain = free_port()
    await write_all(settings, folder, port=plain, tls_port=settings.broker_tls_port)
    conf = folder / "mosquitto.conf"
    conf.write_text(conf.read_text() + "user root\n")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(BINARY, "-c", str(conf), stderr=log)
    following = asyncio.create_task(follow(settings, folder, process.pid, every_s=0.2))
    try:
        async with asyncio.timeout(40):
            while not (await listens(plain) and await listens(settings.broker_tls_port)):
                await asyncio.sleep(0.02)
        yield Broker(settings, plain, settings.broker_tls_port, Papers(authority, tmp_path, "plant", "other"), secrets)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        process.terminate()
        await process.wait()


BROKERS = {"embedded": embedded, "mosquitto": mosquitto}


@pytest.mark.parametrize("which", BROKERS)
async def test_each_of_eight_bad_certificates_is_refused_and_a_good_one_let_in(tmp_path: Path, which: str) -> None:
    async with BROKERS[which](tmp_path) as broker:
        good = broker.papers.issued()
        papers = {name: broker.papers.make(name) for name in NAMES}
        # the list of revocations reaches an external broker by its follower; the sentinel is that the revoked one is no longer let in
        async with asyncio.timeout(60):
            while await broker.lets_in(papers["revoked"]):
                await asyncio.sleep(0.1)
        refused = []
        for name in NAMES:
            # another's certificate never gives another's identity: on Mosquitto, where the password decides who one is, it is shown with its own
            password = broker.secrets["other"] if name == "wrong name" and which == "mosquitto" else None
            if not await broker.lets_in(papers[name], old=name == "old TLS", password=password):
                refused.append(name)
        assert refused == list(NAMES)
        assert await broker.lets_in(good)
        assert await broker.lets_in(good, user="plant")


async def test_the_plain_port_is_no_way_round_the_certificate_from_outside(tmp_path: Path) -> None:
    async with embedded(tmp_path) as broker:
        settings = broker.settings
        assert settings.broker_tls_client_certs
        good = broker.papers.issued("media")
        assert await admitted(broker.tls_port, broker.ca, good, "plant.media", broker.secrets["plant"])
        assert not await admitted(broker.tls_port, broker.ca, good, "other.media", broker.secrets["other"])
        assert not await admitted(broker.tls_port, broker.ca, good, "hub", "guess")


LIVE = [("embedded", "plant", 5.0), ("embedded", "plant.media", 5.0), ("mosquitto", "plant", 60.0)]
"""Media has a process of its own at the embedded broker, and its sessions are ended there as well."""


@pytest.mark.parametrize(("which", "name", "within_s"), LIVE)
async def test_revoking_a_certificate_cuts_its_live_session(tmp_path: Path, which: str, name: str, within_s: float) -> None:
    async with BROKERS[which](tmp_path) as broker:
        papers = broker.papers.issued()
        row = broker.papers.authority.index().certificates[-1]
        async with Store(broker.settings.database_url) as store, store.transaction() as tx:
            from sqlalchemy import update

            from hub.store.schema import agent

            await tx.conn.execute(update(agent).where(agent.c.id == "plant").values(certificate_serial=row.serial))
        async with Shown(broker.tls_port, broker.ca, papers) as live:
            assert await live.connect(name, name, broker.secrets["plant"]) == 0
            started = time.monotonic()
            broker.papers.authority.revoke(row.serial, datetime.now(UTC), "stolen")
            await _cut(live, within_s)
            assert time.monotonic() - started <= within_s
        assert not await broker.lets_in(papers)


@pytest.mark.parametrize(("which", "name", "within_s"), LIVE)
async def test_revoking_an_agent_cuts_its_live_session(tmp_path: Path, which: str, name: str, within_s: float) -> None:
    async with BROKERS[which](tmp_path) as broker:
        papers = broker.papers.issued()
        async with Shown(broker.tls_port, broker.ca, papers) as live:
            assert await live.connect(name, name, broker.secrets["plant"]) == 0
            async with Store(broker.settings.database_url) as store, store.transaction() as tx:
                assert await revoke(tx, "plant", by="person:admin", reason="sold") is not None
            await _cut(live, within_s)


async def test_pictures_come_over_tls_in_both_directions(tmp_path: Path) -> None:
    async with embedded(tmp_path) as broker, Raw(broker.plain_port) as relay, Shown(broker.tls_port, broker.ca, broker.papers.issued()) as media:
        assert await relay.connect("hub-media", "hub-media", own_secret(broker.settings.data_path, "hub-mqtt")) == 0
        await relay.subscribe(TOPICS.media("plant", "c1", MediaKind.MEDIA), qos=0)
        assert await media.connect("plant.media", "plant.media", broker.secrets["plant"]) == 0
        await media.subscribe(TOPICS.down("plant.media", "command"))
        for n in range(20):  # more than any buffer on the way holds
            picture = media_header(MediaKind.MEDIA, key=True, seq=n, wall_ms=n) + b"\x00\x00\x00\x10moof" + bytes(200_000)
            media.publish(TOPICS.media("plant", "c1", MediaKind.MEDIA), picture)
            assert (await relay.message())[1] == picture
        relay.publish(TOPICS.down("plant.media", "command"), b"start")
        assert (await media.message())[1] == b"start"


async def _cut(live: Raw, within_s: float) -> None:
    """Wait until the broker has ended the connection."""
    async with asyncio.timeout(within_s):
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            while await live.reader.read(1024):
                pass


async def test_after_a_rotation_old_and_new_certificates_are_let_in_by_a_broker_that_never_stopped(tmp_path: Path) -> None:
    async with embedded(tmp_path) as broker:
        old = broker.papers.issued("before")
        async with Shown(broker.tls_port, broker.ca, old) as live:
            assert await live.connect("plant", "plant", broker.secrets["plant"]) == 0
            broker.papers.authority.rotate(datetime.now(UTC))
            new = broker.papers.issued("after")
            other = broker.papers.issued("other", "other")
            async with asyncio.timeout(40):
                while not await admitted(broker.tls_port, broker.ca, other, "other", broker.secrets["other"]):
                    await asyncio.sleep(0.1)
            live.writer.write(bytes((0xC0, 0)))
            assert (await live.read() or (0,))[0] == 0xD0, "the session that was there before has gone on"
        assert await broker.lets_in(new)
        assert await broker.lets_in(old)


async def test_an_agent_refuses_a_broker_with_the_wrong_name_or_of_another_authority(tmp_path: Path) -> None:
    async with embedded(tmp_path) as broker:
        good = broker.papers.issued()
        with pytest.raises(ssl.SSLCertVerificationError):
            async with Shown(broker.tls_port, broker.ca, good, host="another.example"):
                pass
        from hub.operate.ca import make_authority

        stranger = tmp_path / "stranger.pem"
        stranger.write_bytes(make_authority("stranger", datetime.now(UTC))[1])
        with pytest.raises(ssl.SSLCertVerificationError):
            async with Shown(broker.tls_port, stranger, good):
                pass
