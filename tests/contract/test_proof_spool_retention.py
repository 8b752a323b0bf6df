"""What must be on record is on record though the store is away; personal data goes when due and the chain still verifies. On both databases."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Text, or_, select, text

from hub.clock import ManualClock
from hub.domain.agent import AgentCodeMade
from hub.domain.duty_rules import packaged_rules
from hub.domain.group import Group
from hub.domain.incident import IncidentState
from hub.domain.notice import in_both
from hub.domain.obligation import Owed
from hub.errors import Unavailable
from hub.ingest.intake import Intake
from hub.operate.chain import reading, verify_store
from hub.operate.heads import HeadKeeper, heads_on_disk
from hub.operate.keys import known_keys, signer
from hub.respond.retention import Retention
from hub.settings import Settings
from hub.store import Store, changes_after
from hub.store.desk import note
from hub.store.groups import posts_of, save_group, write
from hub.store.notices import draft, queue
from hub.store.obligations import make
from hub.store.organisation import add_person, seed_departments
from hub.store.reports import get_incident, get_report, update_incident
from hub.store.retention import hold
from hub.store.schema import all_tables, change, change_body
from hub.store.spool import Spool
from tests.support.district import NOW
from tests.support.postgres import Postgres
from tests.support.reports import file, raw

ACT = AgentCodeMade(agent_id="a1", department_id="fire-rescue", expires_at="2026-11-24T00:00:00.000Z")
SECRETS = ("13812345678", "张三丰", "320707199001011234", "苏G12345")


async def test_an_act_noted_while_the_database_is_down_is_chained_once_it_is_back(tmp_path: Path) -> None:
    with Postgres() as server:
        clock = ManualClock(NOW)
        async with Store(server.database("away"), clock) as store:
            spool = Spool(store, tmp_path / "spool")
            assert await spool.record(ACT, actor="person:1", subject="camera:1") is True
            server.stop()
            for n in range(3):
                clock.advance(timedelta(seconds=10))
                assert await spool.record(ACT, actor=f"person:{n}", subject="camera:1", incident_id="i1") is False
            assert spool.waiting == 3
            with pytest.raises(Unavailable):
                await spool.take()
            server.start()
            clock.advance(timedelta(hours=1))
            assert await spool.take() == 3
            assert await spool.take() == 0
            async with store.read() as conn:
                changes = await changes_after(conn, 1)
            assert [c.kind for c in changes] == ["audit.recovered", *["agent.code_made"] * 3]
            assert [c.actor for c in changes[1:]] == ["person:0", "person:1", "person:2"]
            assert json.loads(bytes(changes[0].body))["happened_at"] == [f"2026-11-23T06:00:{n}0.000Z" for n in (1, 2, 3)]
            assert not list((tmp_path / "spool").glob("*.jsonl"))


async def test_a_spool_left_by_a_dead_process_is_taken_exactly_once(store: Store, tmp_path: Path) -> None:
    dead = Spool(store, tmp_path)
    line = b'{"at":"2026-11-23T06:00:00.000Z","kind":"agent.code_made","body":{"agent_id":"a1","department_id":"d","expires_at":"x"},"actor":"a","subject":"s"}\n'
    dead._append(line)
    dead._append(line)
    (path,) = tmp_path.glob("*.jsonl")
    content = path.read_bytes()
    assert await Spool(store, tmp_path).take() == 2
    path.write_bytes(content + b'{"at":"2026-11-23T06:0')  # it died after the commit and before the file was removed; and amid a line
    assert await Spool(store, tmp_path).take() == 0
    assert await store.head() == 3


async def test_where_neither_store_nor_disk_takes_the_audit_the_act_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    with Postgres() as server:
        async with Store(server.database("gone"), ManualClock(NOW)) as store:
            server.stop()
            with pytest.raises(Unavailable, match="audit_unavailable"):
                await Spool(store, tmp_path / "spool").record(ACT, actor="person:1", subject="camera:1")


async def _closed_incident(store: Store) -> str:
    """An incident with two reports full of personal data, closed now."""
    intake = Intake(store)
    first = await file(intake, raw(text="张三丰，电话13812345678，身份证320707199001011234", reporter={"name": "张三丰", "phone": "13812345678"},
                                   hazmat=[{"un": "1005", "vehicle_plate": "苏G12345"}]))
    assert first.incident_id is not None
    await file(intake, raw(kind="follow_up", incident_id=first.incident_id, text="伤者亲属13812345678", reporter={"name": "张三丰"}))
    async with store.transaction() as tx:
        view = await get_incident(tx.conn, first.incident_id)
        assert view is not None
        assert await update_incident(tx, view, msgspec.structs.replace(view, state=IncidentState.CLOSED, updated_at=tx.at, version=view.version + 1))
    return first.incident_id


async def _everything(store: Store) -> str:
    """All text of the store but the titles of the event itself."""
    out = []
    async with store.read() as conn:
        for table, column in (("change_body", "body"), ("report", "view"), ("incident", "view"), ("notice", "body"), ("notice", "title")):
            out += [str(row[0]) for row in (await conn.execute(text(f"SELECT {column} FROM {table}"))).all()]
        out += [bytes(row[0]).decode(errors="replace") for row in (await conn.execute(text("SELECT payload FROM quarantine"))).all()]
    return "\n".join(out)


async def test_personal_data_of_a_closed_incident_goes_when_due_and_the_chain_still_verifies(store: Store, store_url: str, tmp_path: Path,
                                                                                            clock: ManualClock) -> None:
    incident_id = await _closed_incident(store)
    await file(Intake(store), raw(place=None, text="坏报告 13812345678"))
    settings = Settings(data_dir=str(tmp_path), store_url=store_url)
    keeper = HeadKeeper(store, settings, signer(tmp_path))
    await keeper.step()
    retention = Retention(store, tmp_path / "archive")
    clock.advance(timedelta(days=179))
    assert await retention.sweep() == 0
    assert "13812345678" in await _everything(store)
    assert not store.is_sqlite or b"13812345678" in (tmp_path / "hub.db").read_bytes() + (tmp_path / "hub.db-wal").read_bytes()

    clock.advance(timedelta(days=2))
    assert await retention.sweep() == 1
    assert await retention.sweep() == 0
    await keeper.step()

    left = await _everything(store)
    assert "13812345678" not in left
    assert "320707199001011234" not in left
    assert "苏G12345" not in left
    if store.is_sqlite:  # nor in free pages or in the log of the file
        for path in (tmp_path / "hub.db", tmp_path / "hub.db-wal"):
            assert not any(secret.encode() in path.read_bytes() for secret in SECRETS), path
    view = await _report_names(store)
    assert "张三丰" not in view
    async with reading(store_url) as conn:
        verdict = await verify_store(conn, heads_on_disk(tmp_path), known_keys(tmp_path))
    assert verdict.ok, verdict
    assert verdict.destroyed >= 4
    (archive,) = (tmp_path / "archive").iterdir()
    assert incident_id in archive.name
    written = archive.read_text()
    assert "13812345678" not in written
    assert written.count("\n") == verdict.destroyed + 1
    async with store.read() as conn:
        (done, *_) = [c for c in await changes_after(conn, 0) if c.kind == "personal_data.destroyed" and b"i" in bytes(c.body)]
    assert json.loads(bytes(done.body))["archive_sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()


async def _report_names(store: Store) -> str:
    async with store.read() as conn:
        rows = (await conn.execute(text("SELECT id, view FROM report"))).all()
        for row in rows:
            report = await get_report(conn, row.id)
            assert report is not None
            assert report.reporter is None or report.reporter.name in (None, "＊＊＊")
        return "\n".join(json.dumps(json.loads(row.view).get("reporter"), ensure_ascii=False) for row in rows)


async def test_names_and_numbers_in_free_text_go_with_the_event_wherever_they_were_written(store: Store, store_url: str, tmp_path: Path,
                                                                                          clock: ManualClock) -> None:
    """A note, a duty, a post in a group, a notice: each names the reporter; another open incident that names him keeps its own."""
    rules = packaged_rules()
    incident_id = await _closed_incident(store)
    other = await file(Intake(store), raw(text="另一事件，现场联系人张三丰", reporter={"name": "张三丰", "phone": "0518-8601 2345"}))
    async with store.transaction() as tx:
        await seed_departments(tx)
        officer = await add_person(tx, "王值守", by="system:test", phone="13911112222")
        await note(tx, incident_id, "张三丰称阀门已关，可联系；王值守已核", by=f"person:{officer.id}")
        await make(tx, rules, [Owed(key="free:1", kind="plan_task", department_id="fire-rescue", post_id="fire-rescue.duty", subject="thing:1",
                                    title_zh="回访张三丰", title_en="call 张三丰", due_at=tx.now, incident_id=incident_id)], actor="system:test")
        await save_group(tx, Group(id="g", zh="群", en="g", departments=("fire-rescue",)), by="system:test")
        await write(tx, rules, "g", "报告人张三丰，联系电话 13812345678", by="person:x", name="甲", department_id="fire-rescue")
        kept = await write(tx, rules, "g", "王值守今晚值班", by="person:x", name="甲", department_id="fire-rescue")
        await queue(tx, [draft(rules, dedupe="d", channel="console", address="post:x", template="message", now=tx.now, max_age=timedelta(days=1),
                               fields=in_both(title="转告张三丰", text="请联系张三丰"))], actor="system:test")
    clock.advance(timedelta(days=181))
    assert await Retention(store, tmp_path / "archive").sweep() == 1

    left = await _texts(store, other.incident_id)
    assert "张三丰" not in left
    assert "13812345678" not in left
    assert "王值守" not in await _texts(store, None, only=incident_id), "who acted in the event is taken out of what was written about it"
    async with store.read() as conn:
        assert (await posts_of(conn, "g"))[0].text == "王值守今晚值班", "and stays where it is about something else"
        assert kept.id == (await posts_of(conn, "g"))[0].id
        held = await get_incident(conn, str(other.incident_id))
        assert held is not None
        assert "张三丰" in str(msgspec.json.encode(await get_report(conn, str(other.id))), "utf-8"), "another event goes by its own time"
    async with reading(store_url) as conn:
        verdict = await verify_store(conn, heads_on_disk(tmp_path), known_keys(tmp_path))
    assert verdict.ok, verdict
    (archive,) = (tmp_path / "archive").iterdir()
    assert "张三丰" not in archive.read_text()


async def _texts(store: Store, but: str | None, *, only: str | None = None) -> str:
    """Every text and JSON of every table, but what belongs to the incident `but` (or of the incident `only` alone)."""
    out = []
    async with store.read() as conn:
        for table in all_tables().sorted_tables:
            columns = [column for column in table.c if isinstance(column.type, Text)]
            query = select(*columns) if columns else None
            if table.name == "change_body":
                query = select(change_body.c.body).join(change, change.c.seq == change_body.c.seq)
                source: Any = change.c.incident_id
            else:
                source = table.c.id if table.name == "incident" else table.c.incident_id if "incident_id" in table.c else None
            if query is None or table.name in ("person", "policy_version", "setting") or (only is not None and source is None):
                continue
            if source is not None and (but is not None or only is not None):
                query = query.where(source == only) if only is not None else query.where(or_(source.is_(None), source != but))
            out += [str(value) for row in (await conn.execute(query)).all() for value in row]
    return "\n".join(out)


async def test_an_incident_held_for_an_investigation_is_left_alone_until_it_is_let_go(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    incident_id = await _closed_incident(store)
    async with store.transaction() as tx:
        assert await hold(tx, incident_id, by="person:auditor", reason="事故调查", held=True)
        assert not await hold(tx, incident_id, by="person:auditor", reason="again", held=True)
    clock.advance(timedelta(days=400))
    retention = Retention(store, tmp_path)
    assert await retention.sweep() == 0
    async with store.transaction() as tx:
        assert await hold(tx, incident_id, by="person:auditor", reason="结案", held=False)
    assert await retention.sweep() == 1


async def test_nothing_is_destroyed_before_its_archive_is_on_disk(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    await _closed_incident(store)
    clock.advance(timedelta(days=400))
    (tmp_path / "archive").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="archive_unwritable"):
        await Retention(store, tmp_path / "archive").sweep()
    assert "13812345678" in await _everything(store)


def test_the_audit_is_kept_400_days_by_default_and_never_under_180() -> None:
    import msgspec

    assert Settings().audit_days == 400
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"audit_days": 179}, Settings)
    assert ZoneInfo(Settings().local_zone)
    assert asyncio.iscoroutinefunction(Retention.sweep)


def test_no_statement_of_the_product_deletes_or_alters_a_change() -> None:
    import re

    wrong = re.compile(r"(delete|update)\((schema\.)?change\)|(DELETE FROM|UPDATE|TRUNCATE|DROP TABLE)\s+(IF EXISTS\s+)?change\b", re.IGNORECASE)
    root = Path(__file__).parents[2]
    sources = [path for part in ("hub", "agents", "streams", "plans") for path in (root / part).rglob("*.py") if "node_modules" not in path.parts]
    found = [f"{path}:{match[0]}" for path in sources for match in wrong.finditer(path.read_text()) if path.name != "append_only.py"]
    assert len(sources) > 100
    assert found == []
