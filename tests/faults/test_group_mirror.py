"""A sharing group mirrored to WeCom, DingTalk and Feishu groups: their robots, in their own protocol, that take, refuse and fail."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from hub.clock import ManualClock
from hub.domain.daily import Attached
from hub.domain.group import Group
from hub.domain.notice import Contact, ContactState, NoticeState
from hub.ids import new_id
from hub.notify.outbox import Outbox
from hub.notify.push import Push
from hub.store import Store, groups
from hub.store.notices import get_contact, list_notices, save_contact
from hub.store.organisation import seed_departments
from tests.support.duty import NOW, people, rules
from tests.support.gateway import NEAR
from tests.support.robots import Robots

RULES = rules()
WAYS = {"wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa": "qyapi.weixin.qq.com", "dingtalk://SEC0123456789abcdef@f0e1d2c3b4a5": "oapi.dingtalk.com",
        "feishu://abcdef12-3456-7890-abcd-ef1234567890": "open.feishu.cn"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(f"sqlite:///{tmp_path}/hub.db", ManualClock(NOW)) as opened:
        async with opened.transaction() as tx:
            await seed_departments(tx)
            await people(tx, "water-bureau")
        yield opened


@pytest.fixture
async def robots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Robots]:
    async with Robots(tmp_path) as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


async def mirrored(store: Store, address: str) -> str:
    """A group of two departments whose posts are mirrored to this address; gives the contact's id."""
    async with store.transaction() as tx:
        contact = await save_contact(tx, Contact(id=new_id(), name="群机器人", address=address, post_id="district-office.desk"), by="person:admin")
        await groups.save_group(tx, Group(id="flood", zh="防汛共享群", en="flood", departments=("water-bureau", "district-office"), mirror_contact=contact.id),
                                by="person:admin")
    return contact.id


async def say(store: Store, text: str, *files: Attached) -> None:
    async with store.transaction() as tx:
        await groups.write(tx, RULES, "flood", text, by="person:p", name="李值班", department_id="district-office", attachments=files)


async def drain(store: Store, *, times: int = 1) -> NoticeState:
    """Work until the mirror's notice is no longer under way, or has been tried so often; gives where it stands."""
    async with Push(timeout_s=5, near=NEAR) as push:
        outbox = Outbox(store, RULES, [push], retry=lambda attempts: timedelta(0))
        until = time.monotonic() + 20
        while True:
            await outbox.step()
            await outbox.settle()
            async with store.read() as conn:
                (notice,) = [n for n in await list_notices(conn) if n.channel == "push"]
            if notice.state not in (NoticeState.QUEUED, NoticeState.CLAIMED) or notice.attempts >= times:
                return notice.state
            assert time.monotonic() < until, notice


@pytest.mark.parametrize("address", WAYS)
async def test_a_post_reaches_the_group_of_the_other_system_once_with_its_author_text_and_files(store: Store, robots: Robots, address: str) -> None:
    await mirrored(store, address)
    await say(store, "@水利局 请报水位", Attached(sha256="a" * 64, name="水位.xlsx"))
    assert await drain(store) is NoticeState.SENT
    (post,) = robots.posts
    assert post.host == WAYS[address]
    for part in ("防汛共享群", "李值班", "请报水位", "水位.xlsx"):
        assert part in post.text
    assert urlsplit(address).netloc.rpartition("@")[2] in post.path


async def test_a_dingtalk_robot_with_a_secret_gets_its_signature(store: Store, robots: Robots) -> None:
    await mirrored(store, "dingtalk://SEC0123456789abcdef@f0e1d2c3b4a5")
    await say(store, "一")
    await drain(store)
    query = parse_qs(urlsplit(robots.posts[0].path).query)
    assert query["access_token"] == ["f0e1d2c3b4a5"] and abs(int(query["timestamp"][0]) / 1000 - time.time()) < 60 and len(query["sign"][0]) == 44


@pytest.mark.parametrize(("address", "answer"), [
    ("wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa", {"errcode": 93000, "errmsg": "invalid webhook url"}),
    ("dingtalk://f0e1d2c3b4a5", {"errcode": 310000, "errmsg": "keywords not in content"}),
    ("feishu://abcdef12-3456-7890-abcd-ef1234567890", {"code": 19024, "msg": "Key Words Not Found", "data": {}}),
])
async def test_a_refusal_inside_http_200_is_a_failure_that_is_seen_and_not_tried_again(
    store: Store, robots: Robots, address: str, answer: dict[str, object],
) -> None:
    robots.answer = answer
    contact_id = await mirrored(store, address)
    await say(store, "请报水位")
    assert await drain(store, times=6) is NoticeState.FAILED
    assert len(robots.posts) == 1
    async with store.read() as conn:
        (notice,) = [n for n in await list_notices(conn) if n.channel == "push"]
        contact = await get_contact(conn, contact_id)
    assert str(answer.get("errmsg") or answer["msg"]) in (notice.error or "")
    assert contact is not None and contact.state is ContactState.UNREACHABLE


async def test_a_rate_limit_is_tried_again_until_the_robot_takes_it(store: Store, robots: Robots) -> None:
    robots.answers = [{"errcode": 45009, "errmsg": "reach max api daily quota limit"}, {"errcode": -1, "errmsg": "system busy"}]
    await mirrored(store, "wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa")
    await say(store, "请报水位")
    assert await drain(store, times=6) is NoticeState.SENT
    assert len(robots.posts) == 3 and len({post.text for post in robots.posts}) == 1


async def test_a_long_post_is_cut_to_what_robots_take_and_keeps_its_number(store: Store, robots: Robots) -> None:
    await mirrored(store, "wecombot://693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa")
    await say(store, "水" * 5_000)
    assert await drain(store) is NoticeState.SENT
    async with store.read() as conn:
        (notice,) = [n for n in await list_notices(conn) if n.channel == "push"]
    assert len(robots.posts[0].text.encode()) <= 2_048 and notice.id[-12:] in robots.posts[0].text
