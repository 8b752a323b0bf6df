"""Signed reports and receipts: refused when forged, and proved offline with nothing but public keys. On both databases."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from agents.keys import sign_report
from hub import wire
from hub.cli import app
from hub.clock import ManualClock
from hub.domain.access import Role
from hub.domain.incident import Act
from hub.domain.report import Channel
from hub.domain.signature import public_text
from hub.ingest import intake
from hub.operate.heads import HeadKeeper
from hub.operate.keys import signer
from hub.settings import Settings
from hub.store import Store
from hub.store.agents import new_secret, put_agent
from hub.store.desk import act_on
from hub.web import audit
from tests.support.district import NOW
from tests.support.reports import raw
from tests.support.web_hub import Visitor, cookie_for, web_hub

TOOL = CliRunner()


class Plant:
    """An agent with its own key, which files over HTTP."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.secret = new_secret()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"plant:{self.secret}".encode()).decode()}

    async def enrol(self, url: str, clock: ManualClock, *, key: bool = True) -> None:
        async with Store(url, clock) as store, store.transaction() as tx:
            await put_agent(tx, agent_id="plant", name="plant", kind="field", department_id="fire-rescue", secret=self.secret,
                            public_key=public_text(self.key) if key else None)

    def report(self, *, key: Ed25519PrivateKey | None = None, **given: Any) -> wire.Report:
        return sign_report(wire.decode_report(raw(reporter={"name": "张三", "phone": "13812345678"}, **given)), key or self.key)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


async def _proof(visitor: Visitor, plant: Plant, report: wire.Report) -> dict[str, Any]:
    assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(report), headers=plant.headers) == 201, visitor.body
    return await _proof_of(visitor, plant, report.id)


async def _proof_of(visitor: Visitor, plant: Plant, report_id: str) -> dict[str, Any]:
    assert await visitor.ask("GET", f"/api/v1/reports/{report_id}/receipt", headers=plant.headers) == 200, visitor.body
    return dict(visitor.body)


async def test_a_receipt_is_signed_as_it_goes_and_in_a_flood_when_it_is_asked_for(
        tmp_path: Path, store_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant()
    await plant.enrol(store_url, clock)
    async with web_hub(tmp_path / "hub", clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        for signed in (True, False):
            monkeypatch.setattr(intake, "MOST_SIGNED", int(signed))
            report = plant.report()
            assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(report), headers=plant.headers) == 201, visitor.body
            told = visitor.body
            assert await visitor.ask("GET", f"/api/v1/reports/{report.id}/receipt", headers=plant.headers) == 200
            proved = visitor.body["receipt"]
            assert ("signature" in told) is signed
            assert told == (proved if signed else {name: value for name, value in proved.items() if name != "signature"})


async def test_the_receipt_of_a_copy_is_signed_and_proves_the_stored_report(tmp_path: Path, store_url: str, clock: ManualClock) -> None:
    plant = Plant()
    await plant.enrol(store_url, clock)
    report = plant.report()
    async with web_hub(tmp_path / "hub", clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        source = hub.services.registry.source("plant")
        assert source is not None
        both = await asyncio.gather(*(hub.services.intake.submit("report", wire.encode(report), source, Channel.MQTT) for _ in range(2)))
        clock.set(NOW.replace(day=24))
        assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(report), headers=plant.headers) == 200
        later = visitor.body
        assert await visitor.ask("GET", f"/api/v1/reports/{report.id}/receipt", headers=plant.headers) == 200
        proof = visitor.body
    (tmp_path / "report.json").write_bytes(wire.encode(report))
    key = str(tmp_path / "hub" / "secrets" / "hub-signing-key.pub")
    told = [msgspec.to_builtins(receipt) for receipt in both] + [later]
    assert [one["status"] for one in told] == ["stored", "duplicate", "duplicate"]
    assert {(one["receipt_no"], one["seq"], one["stored_at"]) for one in told} == {(told[0]["receipt_no"], told[0]["seq"], told[0]["stored_at"])}
    for receipt, code in [(one, 0) for one in told] + [(later | {"status": "stored"}, 1), (later | {"receipt_no": "20260101-000001"}, 1)]:
        (tmp_path / "proof.json").write_text(json.dumps(proof | {"receipt": receipt}))
        done = await _in_thread("verify", str(tmp_path / "report.json"), "--receipt", str(tmp_path / "proof.json"), "--key", key)
        assert done.exit_code == code, (receipt, done.output)


async def test_a_further_report_is_proved_and_its_copy_signed_after_its_incident_was_merged(tmp_path: Path, store_url: str, clock: ManualClock) -> None:
    plant = Plant()
    await plant.enrol(store_url, clock)
    first, other = plant.report(), plant.report()
    further = plant.report(kind="follow_up", incident_id=first.id)
    async with web_hub(tmp_path / "hub", clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        for report in (first, other, further):
            assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(report), headers=plant.headers) == 201, visitor.body
        told = visitor.body
        async with hub.services.store.transaction() as tx:
            await act_on(tx, first.id, Act.MERGE, by="person:desk", into=other.id)
        assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(further), headers=plant.headers) == 200
        assert visitor.body == told | {"status": "duplicate", "signature": visitor.body["signature"]}
        copy = visitor.body
        proof = await _proof_of(visitor, plant, further.id) | {"receipt": copy}
    (tmp_path / "report.json").write_bytes(wire.encode(further))
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    key = str(tmp_path / "hub" / "secrets" / "hub-signing-key.pub")
    done = await _in_thread("verify", str(tmp_path / "report.json"), "--receipt", str(tmp_path / "proof.json"), "--key", key)
    assert done.exit_code == 0, done.output


async def test_report_receipt_and_chain_are_proved_offline_and_any_edit_shows(tmp_path: Path, store_url: str, clock: ManualClock) -> None:
    plant = Plant()
    await plant.enrol(store_url, clock)
    report = plant.report()
    async with web_hub(tmp_path / "hub", clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        await HeadKeeper(hub.services.store, hub.services.settings, hub.services.extra["signer"]).step()
        first = await _proof(visitor, plant, report)
        assert first["head"] is None
        clock.set(NOW.replace(day=24))
        await HeadKeeper(hub.services.store, hub.services.settings, hub.services.extra["signer"]).step()
        assert await visitor.ask("GET", f"/api/v1/reports/{report.id}/receipt", headers=plant.headers) == 200
        proof = visitor.body
        assert proof["head"]["seq"] >= proof["change"]["seq"]
    files = {"report": tmp_path / "report.json", "proof": tmp_path / "proof.json", "chain": tmp_path / "chain.jsonl"}
    files["report"].write_bytes(wire.encode(report))
    files["proof"].write_text(json.dumps(proof))
    key = str(tmp_path / "hub" / "secrets" / "hub-signing-key.pub")
    done = await _in_thread("audit", "export", str(files["chain"]), "--data-dir", str(tmp_path / "hub"), "--store", store_url)
    assert done.exit_code == 0, done.output
    arguments = ["verify", str(files["report"]), "--receipt", str(files["proof"]), "--chain", str(files["chain"]), "--key", key]

    good = await _in_thread(*arguments)
    assert good.exit_code == 0, good.output
    assert good.output.count("✓") == 7

    forged = msgspec.structs.replace(report, title="没有发生任何事")
    files["report"].write_bytes(wire.encode(forged))
    assert (await _in_thread(*arguments)).exit_code == 1
    files["report"].write_bytes(wire.encode(report))
    for path, value in ((("receipt", "receipt_no"), "20260101-000001"), (("receipt", "seq"), 1), (("content_hash",), "0" * 64),
                        (("change", "actor"), "person:x"), (("change", "body"), "{}"), (("head", "hash"), "0" * 64)):
        edited = json.loads(json.dumps(proof))
        place = edited
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        files["proof"].write_text(json.dumps(edited))
        assert (await _in_thread(*arguments)).exit_code == 1, path
    files["proof"].write_text(json.dumps(proof))
    stranger = tmp_path / "stranger.pub"
    stranger.write_text(public_text(Ed25519PrivateKey.generate()))
    assert (await _in_thread(*arguments[:-1], str(stranger))).exit_code == 1


async def _in_thread(*arguments: str) -> Any:
    """Run the command line outside the loop, as it starts one of its own."""
    import asyncio

    return await asyncio.to_thread(TOOL.invoke, app, list(arguments))


async def test_a_report_with_a_forged_signature_is_refused_and_kept(tmp_path: Path, store_url: str, clock: ManualClock) -> None:
    plant = Plant()
    await plant.enrol(store_url, clock)
    async with web_hub(tmp_path, clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        forged = plant.report(key=Ed25519PrivateKey.generate())
        assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(forged), headers=plant.headers) == 422
        assert visitor.body["reason"] == "bad_signature"
        edited = msgspec.structs.replace(plant.report(), urgent=True)
        assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(edited), headers=plant.headers) == 422
        assert visitor.body["reason"] == "bad_signature"
        async with hub.services.store.read() as conn:
            kept = (await conn.exec_driver_sql("SELECT count(*) FROM quarantine WHERE reason = 'bad_signature'")).scalar()
        assert kept == 2
        assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(plant.report()), headers=plant.headers) == 201
        unsigned = msgspec.structs.replace(plant.report(), signature=None)
        assert await visitor.ask("POST", "/api/v1/reports", raw=wire.encode(unsigned), headers=plant.headers) == 201


async def test_a_receipt_is_for_its_sender_and_for_those_who_may_read_the_report(tmp_path: Path, store_url: str, clock: ManualClock) -> None:
    plant = Plant()
    await plant.enrol(store_url, clock)
    async with web_hub(tmp_path, clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        report = plant.report()
        await _proof(visitor, plant, report)
        path = f"/api/v1/reports/{report.id}/receipt"
        async with Visitor(hub.web_url) as stranger:
            assert await stranger.ask("GET", path) == 401
            _, cookie = await cookie_for(hub.services.store, Role.DEPARTMENT_REPORTER, department="education-bureau")
            stranger.hold(cookie)
            assert await stranger.ask("GET", path) == 404
        assert await visitor.ask("GET", "/api/v1/reports/0197b6c0-0000-7000-8000-000000000000/receipt", headers=plant.headers) == 404
        assert await visitor.ask("GET", "/api/v1/proof/key") == 200
        assert visitor.body["public_key"] == signer(tmp_path).public


async def test_an_export_that_nobody_waits_for_any_more_ends(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def endless(_conn: Any, out: BinaryIO, *_: Any, **__: Any) -> None:
        try:
            while True:
                out.write(b"a line\n" * 1000)
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(audit, "write_export", endless)
    async with web_hub(tmp_path, clock) as hub, Visitor(hub.web_url) as visitor:
        visitor.hold((await cookie_for(hub.services.store, Role.AUDIT_ADMIN, department=None))[1])
        async with visitor.client.get(f"{visitor.base}/api/v1/audit/export", headers=visitor.headers) as answer:
            assert (await answer.content.readany()).startswith(b"a line")
        async with asyncio.timeout(20):
            await ended.wait()


async def test_auditors_read_verify_and_export_and_others_do_not(tmp_path: Path, store_url: str, clock: ManualClock) -> None:
    async with web_hub(tmp_path, clock, store_url=store_url) as hub, Visitor(hub.web_url) as visitor:
        await HeadKeeper(hub.services.store, hub.services.settings, hub.services.extra["signer"]).step()
        _, cookie = await cookie_for(hub.services.store, Role.OPERATOR, department=None)
        visitor.hold(cookie)
        for method, path in (("GET", "/api/v1/audit"), ("POST", "/api/v1/audit/verify"), ("GET", "/api/v1/audit/export"), ("GET", "/api/v1/audit/heads")):
            assert await visitor.ask(method, path) == 403, path
        person, cookie = await cookie_for(hub.services.store, Role.AUDIT_ADMIN, department=None)
        visitor.hold(cookie)
        assert await visitor.ask("POST", "/api/v1/audit/verify") == 200
        assert visitor.body["ok"] is True
        assert visitor.body["heads"] >= 1
        assert await visitor.ask("GET", "/api/v1/audit?limit=3") == 200
        assert len(visitor.body["items"]) == 3
        assert await visitor.ask("GET", "/api/v1/audit/export?after=999999") == 422, "refused before the answer begins"
        assert visitor.body["field"] == "after"
        assert await visitor.ask("GET", "/api/v1/audit/export?bodies=true") == 200
        (tmp_path / "export.jsonl").write_text(visitor.body)
        assert await visitor.ask("GET", f"/api/v1/audit?actor=person:{person}") == 200
        assert {item["kind"] for item in visitor.body["items"]} >= {"audit.read", "audit.exported"}
    done = await _in_thread("audit", "verify", "--file", str(tmp_path / "export.jsonl"), "--key", str(tmp_path / "secrets" / "hub-signing-key.pub"))
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "export.jsonl").read_text().splitlines()
    (tmp_path / "cut.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    assert (await _in_thread("audit", "verify", "--file", str(tmp_path / "cut.jsonl"))).exit_code == 1


def test_the_key_is_private_and_a_readable_one_is_refused(tmp_path: Path) -> None:
    from hub.errors import Rejected

    made = signer(tmp_path)
    path = tmp_path / "secrets" / "hub-signing-key.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert signer(tmp_path).public == made.public
    path.chmod(0o644)
    with pytest.raises(Rejected, match="secret_readable"):
        signer(tmp_path)


async def test_a_head_is_sent_to_the_other_system_until_it_takes_it(tmp_path: Path, clock: ManualClock) -> None:
    from aiohttp import web

    taken: list[dict[str, Any]] = []
    answers = [500, 201]

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.json())
        return web.Response(status=answers[min(len(taken) - 1, 1)])

    other = web.Application()
    other.router.add_post("/heads", take)
    runner = web.AppRunner(other)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    settings = Settings(data_dir=str(tmp_path), audit_head_url=f"http://127.0.0.1:{port}/heads", audit_head_file=str(tmp_path / "worm" / "heads.jsonl"))
    async with Store(settings.database_url, clock) as store:
        from tests.support.chains import grow

        await grow(store, 3)
        keeper = HeadKeeper(store, settings, signer(tmp_path))
        for _ in range(3):
            await keeper.step()
    await runner.cleanup()
    assert len(taken) == 2
    assert taken[0] == taken[1]
    assert (tmp_path / "worm" / "heads.jsonl").read_text().count("\n") == 1
