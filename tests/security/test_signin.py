"""Signing in on a running hub: no default password, one-time links, growing delays that cannot lock the desk out, second factors, sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pyotp
import pytest
from sqlalchemy import select

from hub.app import Running
from hub.clock import ManualClock
from hub.domain.access import Role
from hub.domain.organisation import Account
from hub.errors import Rejected
from hub.store import Store, changes_after
from hub.store.accounts import (
    ADDRESS,
    CODES,
    PAIR,
    STRANGERS,
    account_by_login,
    check_password,
    delay_s,
    first_start_link,
    link_for,
    note_failure,
    open_session,
    wait_for,
)
from hub.store.agents import make_code
from hub.store.organisation import leave
from hub.store.schema_people import account, session, sign_in_link
from tests.support.district import NOW, POLICY
from tests.support.web_hub import Visitor, cookie_for, web_hub

PASSWORD = "Tide-Bell-2026"
SIGN_IN = "/api/v1/session"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def hub(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Running]:
    async with web_hub(tmp_path, clock) as running:
        yield running


@pytest.fixture
async def visitor(hub: Running) -> AsyncIterator[Visitor]:
    async with Visitor(hub.web_url) as one:
        yield one


async def welcomed(hub: Running, visitor: Visitor, login: str = "desk") -> None:
    """The first start's link, used: `login` has a password and `visitor` a session."""
    await first_start_link(hub.services.store, POLICY)
    token = await link_for(hub.services.store, login)
    assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": token, "account": "", "password": PASSWORD}) == 200, visitor.body


async def kinds(store: Store) -> list[str]:
    async with store.read() as conn:
        return [change.kind for change in await changes_after(conn, 0, limit=1000)]


# ── the first start ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_account_has_a_password_at_the_first_start_and_no_well_known_one_opens_the_door(hub: Running, visitor: Visitor) -> None:
    await first_start_link(hub.services.store, POLICY)
    async with hub.services.store.read() as conn:
        rows = (await conn.execute(select(account.c.login, account.c.password_hash))).all()
    assert {row.login for row in rows} == {"desk", "sysadmin", "secadmin", "auditadmin"} and not any(row.password_hash for row in rows)
    for login, password in (("desk", "desk"), ("admin", "admin"), ("sysadmin", "")):
        assert await visitor.ask("POST", SIGN_IN, {"account": login, "password": password}) == 401


async def test_the_link_of_the_first_start_signs_in_once(hub: Running, visitor: Visitor) -> None:
    token = await first_start_link(hub.services.store, POLICY)
    body = {"token": token, "account": "wang.wu", "password": PASSWORD}
    assert await visitor.ask("POST", "/api/v1/session/welcome", body) == 200
    assert visitor.body["roles"] == ["operator"] and visitor.body["person"]["account"] == "wang.wu"
    assert "incident.verify" in visitor.body["permissions"] and "admin.policy" not in visitor.body["permissions"]
    assert await visitor.ask("GET", SIGN_IN) == 200
    assert await visitor.ask("POST", "/api/v1/session/welcome", body) == 422 and visitor.body["code"] == "link_invalid"
    assert await first_start_link(hub.services.store, POLICY) is None, "there is no second first start"


async def test_a_weak_password_leaves_the_link_unused(hub: Running, visitor: Visitor) -> None:
    token = await first_start_link(hub.services.store, POLICY)
    assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": token, "account": "", "password": "short"}) == 422
    assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": token, "account": "", "password": PASSWORD}) == 200


async def test_a_link_expires(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    token = await first_start_link(hub.services.store, POLICY)
    clock.advance(timedelta(hours=24))
    assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": token, "account": "", "password": PASSWORD}) == 422


async def test_a_new_start_before_anybody_signed_in_voids_the_link_before(hub: Running, visitor: Visitor) -> None:
    first, second = await first_start_link(hub.services.store, POLICY), await first_start_link(hub.services.store, POLICY)
    assert first and second and first != second
    assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": first, "account": "", "password": PASSWORD}) == 422
    assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": second, "account": "", "password": PASSWORD}) == 200


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaaaaaa", "onlylowercase", "desk-Desk-2026", "x" * 300, "1111111111"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(Rejected):
        check_password(password, "desk")


@pytest.mark.parametrize("password", [PASSWORD, "correct horse battery staple", "潮汐钟声二〇二六年赣榆区值班室用"])
def test_long_or_mixed_passwords_are_taken(password: str) -> None:
    check_password(password, "desk")


async def test_neither_passwords_nor_tokens_are_stored_as_they_are(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    async with hub.services.store.read() as conn:
        stored = (await conn.execute(select(account.c.password_hash).where(account.c.login == "desk"))).scalar_one()
        hashes = [*(await conn.execute(select(session.c.token_hash))).scalars(), *(await conn.execute(select(sign_in_link.c.token_hash))).scalars()]
    assert stored.startswith("$argon2id$") and PASSWORD not in stored
    cookie = next(iter(visitor.client.cookie_jar)).value
    assert cookie not in hashes and all(len(value) == 64 for value in hashes)


# ── passwords and delays ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_wrong_password_an_unknown_account_and_a_closed_one_get_the_same_answer(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    answers = []
    for login in ("desk", "nobody", "sysadmin"):
        assert await visitor.ask("POST", SIGN_IN, {"account": login, "password": "Wrong-Pass-2026"}) == 401
        answers.append(visitor.body)
    assert answers[0] == answers[1] == answers[2]
    assert (await kinds(hub.services.store)).count("account.refused") == 3


async def test_failures_wait_longer_each_time_and_the_right_password_ends_it(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    await welcomed(hub, visitor)
    for _ in range(PAIR.free):
        assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": "Wrong-Pass-2026"}) == 401
    assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": PASSWORD}) == 429
    assert int(visitor.answer_headers["Retry-After"]) >= 1
    clock.advance(timedelta(seconds=2))
    assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": PASSWORD}) == 200
    assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": "Wrong-Pass-2026"}) == 401, "the count began anew"


def test_delays_grow_to_a_limit_and_are_never_a_lock() -> None:
    for rule in (PAIR, ADDRESS, STRANGERS):
        waits = [delay_s(rule, n) for n in range(rule.free + 40)]
        assert waits == sorted(waits) and waits[rule.free - 1] == 0 and waits[rule.free] == 1 and waits[-1] == rule.most_s <= 900


async def test_a_thousand_strangers_cannot_keep_the_desk_from_signing_in_at_its_usual_place(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    store = hub.services.store
    async with store.read() as conn:
        desk = await account_by_login(conn, "desk")
    assert desk is not None
    async with store.transaction() as tx:
        for n in range(1000):
            await note_failure(tx, "desk", desk.account.id, f"203.0.113.{n % 250}", reason="wrong_password")
    async with store.read() as conn:
        assert await wait_for(conn, "desk", desk.account.id, "203.0.113.251", NOW) > 60, "a stranger waits"
        assert await wait_for(conn, "desk", desk.account.id, "127.0.0.1", NOW) == 0, "the desk does not"
    assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": PASSWORD}) == 200


async def test_one_address_that_goes_from_login_to_login_waits(hub: Running) -> None:
    store = hub.services.store
    async with store.transaction() as tx:
        for n in range(ADDRESS.free + 5):
            await note_failure(tx, f"user{n}", None, "203.0.113.9", reason="wrong_password")
    async with store.read() as conn:
        assert await wait_for(conn, "another", None, "203.0.113.9", NOW) > 0
        assert await wait_for(conn, "another", None, "203.0.113.10", NOW) == 0


async def test_the_present_password_is_guessed_in_an_open_session_no_faster_than_at_the_door(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    await welcomed(hub, visitor)
    change = {"old": "Wrong-Pass-2026", "new": "Ebb-Bell-2027"}
    for _ in range(PAIR.free):
        assert await visitor.ask("POST", f"{SIGN_IN}/password", change) == 401
    assert await visitor.ask("POST", f"{SIGN_IN}/password", {**change, "old": PASSWORD}) == 429
    clock.advance(timedelta(seconds=2))
    assert await visitor.ask("POST", f"{SIGN_IN}/password", {**change, "old": PASSWORD}) == 200


async def test_a_clock_that_is_set_back_makes_no_lock_of_a_delay(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    await welcomed(hub, visitor)
    for _ in range(PAIR.free):
        assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": "Wrong-Pass-2026"}) == 401
    clock.set(clock.now() - timedelta(days=730))
    assert await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": PASSWORD}) == 429
    assert int(visitor.answer_headers["Retry-After"]) <= PAIR.most_s


async def test_enrolment_codes_are_guessed_ever_more_slowly_and_a_right_one_ends_it(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    store = hub.services.store
    async with store.transaction() as tx:
        code = await make_code(tx, agent_id="plant-1", name="p", kind="field", department_id="fire-rescue", by="person:a")
    guess = {"code": "ABCD-EFGH-JKMN"}
    many = await asyncio.gather(*(visitor.ask("POST", "/api/v1/enroll", guess) for _ in range(CODES.free + 10)))
    assert sorted(many) == [422] * CODES.free + [429] * 10, "also those that come at once"
    assert await visitor.ask("POST", "/api/v1/enroll", {"code": code}) == 429 and int(visitor.answer_headers["Retry-After"]) >= 1
    assert visitor.body["code"] == "wait" and visitor.body["message"]["zh"]
    clock.advance(timedelta(seconds=2))
    assert await visitor.ask("POST", "/api/v1/enroll", guess) == 422
    assert await visitor.ask("POST", "/api/v1/enroll", {"code": code}) == 429
    clock.advance(timedelta(seconds=3))
    assert await visitor.ask("POST", "/api/v1/enroll", {"code": code}) == 201
    assert await visitor.ask("POST", "/api/v1/enroll", {"code": code}) == 422, "the count began anew"
    assert (await kinds(store)).count("agent.code_refused") == CODES.free + 2


# ── the second factor ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_administrator_does_nothing_before_the_second_factor_is_set_up_and_shown(
    hub: Running, visitor: Visitor, clock: ManualClock,
) -> None:
    await welcomed(hub, visitor, "secadmin")
    assert visitor.body["second_factor"] == "missing" and "admin.policy" not in visitor.body["permissions"]
    assert await visitor.ask("GET", "/api/v1/policies/roles") == 403 and visitor.body["code"] == "second_factor"
    assert await visitor.ask("POST", f"{SIGN_IN}/second-factor") == 200
    secret = visitor.body["secret"]
    assert parse_qs(urlsplit(visitor.body["uri"]).query)["secret"] == [secret]
    assert await visitor.ask("POST", f"{SIGN_IN}/second-factor/confirm", {"code": "000000"}) == 401
    code = pyotp.TOTP(secret).at(clock.now())
    assert await visitor.ask("POST", f"{SIGN_IN}/second-factor/confirm", {"code": code}) == 200, visitor.body
    assert await visitor.ask("GET", "/api/v1/policies/roles") == 200
    async with hub.services.store.read() as conn:
        stored = (await conn.execute(select(account.c.totp_sealed).where(account.c.login == "secadmin"))).scalar_one()
    assert secret not in stored

    async with Visitor(hub.web_url) as other:
        body = {"account": "secadmin", "password": PASSWORD}
        assert await other.ask("POST", SIGN_IN, body) == 401 and other.body["code"] == "second_factor_needed" and other.body["field"] == "totp"
        assert await other.ask("POST", SIGN_IN, body | {"totp": code}) == 401, "a code works once"
        clock.advance(timedelta(seconds=30))
        assert await other.ask("POST", SIGN_IN, body | {"totp": pyotp.TOTP(secret).at(clock.now())}) == 200
        assert other.body["second_factor"] == "shown"


async def test_a_session_opened_by_link_shows_its_code_afterwards(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    await welcomed(hub, visitor, "auditadmin")
    await visitor.ask("POST", f"{SIGN_IN}/second-factor")
    secret = visitor.body["secret"]
    assert await visitor.ask("POST", f"{SIGN_IN}/second-factor/confirm", {"code": pyotp.TOTP(secret).at(clock.now())}) == 200
    async with Visitor(hub.web_url) as other:
        token = await link_for(hub.services.store, "auditadmin")
        assert await other.ask("POST", f"{SIGN_IN}/welcome", {"token": token, "account": "", "password": PASSWORD + "x"}) == 200
        assert other.body["second_factor"] == "needed"
        assert await other.ask("POST", f"{SIGN_IN}/second-factor/show", {"code": "123456"}) == 401
        clock.advance(timedelta(seconds=60))
        assert await other.ask("POST", f"{SIGN_IN}/second-factor/show", {"code": pyotp.TOTP(secret).at(clock.now())}) == 200
        assert await other.ask("GET", SIGN_IN) == 200 and other.body["second_factor"] == "shown"


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_cookie_is_for_this_site_alone_and_no_script_reads_it(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    cookie = visitor.answer_headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie, "over plain HTTP on loopback"


async def test_behind_https_the_cookie_is_secure(tmp_path: Path, clock: ManualClock) -> None:
    async with web_hub(tmp_path, clock, public_url="https://hub.example") as hub, Visitor(hub.web_url) as visitor:
        token = await first_start_link(hub.services.store, POLICY)
        assert await visitor.ask("POST", f"{SIGN_IN}/welcome", {"token": token, "account": "", "password": PASSWORD}) == 200
        assert "Secure" in visitor.answer_headers["Set-Cookie"]


async def test_signing_out_ends_the_session_on_the_server(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    cookie = next(iter(visitor.client.cookie_jar)).value
    assert await visitor.ask("DELETE", SIGN_IN) == 200
    visitor.hold(cookie)
    assert await visitor.ask("GET", SIGN_IN) == 401


async def test_an_idle_session_ends_and_a_used_one_goes_on_to_its_limit(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    await welcomed(hub, visitor)
    idle = timedelta(seconds=hub.services.settings.session_idle_s)
    for _ in range(3):
        clock.advance(idle - timedelta(seconds=1))
        assert await visitor.ask("GET", SIGN_IN) == 200
    clock.advance(idle)
    assert await visitor.ask("GET", SIGN_IN) == 401


async def test_no_session_outlives_its_longest_time(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    await welcomed(hub, visitor)
    ends = clock.now() + timedelta(seconds=hub.services.settings.session_max_s)
    while clock.now() < ends - timedelta(hours=6):
        clock.advance(timedelta(hours=6))
        await visitor.ask("GET", SIGN_IN)
    assert visitor.status == 200
    clock.set(ends)
    assert await visitor.ask("GET", SIGN_IN) == 401


async def test_one_sees_and_revokes_ones_own_sessions_and_no_others(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    _, other_token = await cookie_for(hub.services.store, Role.RESPONDER)
    async with Visitor(hub.web_url) as second, Visitor(hub.web_url) as stranger:
        assert await second.ask("POST", SIGN_IN, {"account": "desk", "password": PASSWORD}) == 200
        assert await visitor.ask("GET", "/api/v1/sessions") == 200 and len(visitor.body["items"]) == 2
        assert "token_hash" not in str(visitor.body)
        current = visitor.body["current"]
        theirs = next(row["id"] for row in visitor.body["items"] if row["id"] != current)
        stranger.hold(other_token)
        assert await stranger.ask("DELETE", f"/api/v1/sessions/{theirs}") == 404, "as if there were no such session"
        assert await visitor.ask("DELETE", f"/api/v1/sessions/{theirs}") == 200
        assert await second.ask("GET", SIGN_IN) == 401
        assert await visitor.ask("GET", SIGN_IN) == 200


async def test_a_new_password_ends_every_other_session(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    async with Visitor(hub.web_url) as second:
        assert await second.ask("POST", SIGN_IN, {"account": "desk", "password": PASSWORD}) == 200
        assert await visitor.ask("POST", f"{SIGN_IN}/password", {"old": "Wrong-Pass-2026", "new": "Another-Bell-77"}) == 401
        assert await visitor.ask("POST", f"{SIGN_IN}/password", {"old": PASSWORD, "new": "Another-Bell-77"}) == 200
        assert await second.ask("GET", SIGN_IN) == 401
        assert await visitor.ask("GET", SIGN_IN) == 200


async def test_somebody_who_leaves_is_signed_out_at_once(hub: Running, visitor: Visitor) -> None:
    id, token = await cookie_for(hub.services.store, Role.OPERATOR)
    visitor.hold(token)
    assert await visitor.ask("GET", "/api/v1/organisation") == 200
    async with hub.services.store.transaction() as tx:
        await leave(tx, id, by="person:x", reason="离职")
    assert await visitor.ask("GET", "/api/v1/organisation") == 401


async def test_sessions_and_refusals_are_in_the_chain_without_secrets(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    await visitor.ask("POST", SIGN_IN, {"account": "desk", "password": "Wrong-Pass-2026"})
    await visitor.ask("DELETE", SIGN_IN)
    store = hub.services.store
    found = await kinds(store)
    assert {"session.opened", "session.ended", "account.refused", "account.saved"} <= set(found)
    async with store.read() as conn:
        bodies = b"".join(bytes(change.body) for change in await changes_after(conn, 0, limit=1000))
    assert b"argon2" not in bodies and PASSWORD.encode() not in bodies and b"token_hash" not in bodies


# ── other sites, floods, headers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {}])
async def test_a_writing_request_of_another_site_is_refused(hub: Running, headers: dict[str, str]) -> None:
    _, token = await cookie_for(hub.services.store, Role.OPERATOR)
    async with Visitor(hub.web_url, headers=headers) as visitor:
        visitor.hold(token)
        assert await visitor.ask("DELETE", SIGN_IN) == 403
        assert await visitor.ask("GET", SIGN_IN) == 200, "and the session is still there"


async def test_a_websocket_of_another_site_is_refused(hub: Running) -> None:
    _, token = await cookie_for(hub.services.store, Role.OPERATOR)
    async with Visitor(hub.web_url) as visitor:
        visitor.hold(token)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await visitor.client.ws_connect(f"{visitor.base}/api/v1/live", headers={"Origin": "https://evil.example"})
        assert caught.value.status == 403
        async with visitor.client.ws_connect(f"{visitor.base}/api/v1/live", headers={"Origin": visitor.base}) as socket:
            assert (await socket.receive_json(timeout=10))["type"] == "hello"


async def test_requests_of_the_own_page_pass(hub: Running) -> None:
    _, token = await cookie_for(hub.services.store, Role.OPERATOR)
    async with Visitor(hub.web_url, headers={"Origin": hub.web_url.rstrip("/")}) as visitor:
        visitor.hold(token)
        assert await visitor.ask("DELETE", SIGN_IN) == 200


async def test_every_answer_carries_strict_headers_and_no_server_name(hub: Running, visitor: Visitor) -> None:
    for path in ("/healthz", "/api/v1/session", "/nothing", "/api/v1/nothing"):
        await visitor.ask("GET", path)
        policy = visitor.answer_headers["Content-Security-Policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert scripts == "script-src 'self'" and "frame-ancestors 'none'" in policy and "object-src 'none'" in policy
        assert visitor.answer_headers["X-Content-Type-Options"] == "nosniff" and "Server" not in visitor.answer_headers
    await visitor.ask("GET", "/api/v1/session")
    assert visitor.answer_headers["Cache-Control"] == "no-store"


async def test_a_flood_from_one_address_is_slowed_and_passes_again(hub: Running, visitor: Visitor, clock: ManualClock) -> None:
    assert await visitor.ask("GET", "/healthz") == 200
    while hub.services.extra["guard"].requests.take("127.0.0.1", clock.now()):
        pass
    assert await visitor.ask("GET", "/healthz") == 429
    clock.advance(timedelta(seconds=1))
    assert await visitor.ask("GET", "/healthz") == 200


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer x", "Basic eDp5"])
async def test_a_wrong_agent_credential_is_refused_without_falling_back_to_the_cookie(hub: Running, header: str) -> None:
    _, token = await cookie_for(hub.services.store, Role.OPERATOR)
    async with Visitor(hub.web_url) as visitor:
        visitor.hold(token)
        assert await visitor.ask("GET", "/api/v1/organisation", headers={"Authorization": header}) == 401


async def test_accounts_shown_to_administrators_carry_no_secret(hub: Running, visitor: Visitor) -> None:
    await welcomed(hub, visitor)
    _, token = await cookie_for(hub.services.store, Role.SYSTEM_ADMIN, department="district-office")
    async with Visitor(hub.web_url) as admin:
        admin.hold(token)
        assert await admin.ask("GET", "/api/v1/accounts") == 200
        assert set(admin.body["items"][0]) <= set(Account.__struct_fields__)
        desk = next(row for row in admin.body["items"] if row["login"] == "desk")
        assert await admin.ask("POST", f"/api/v1/accounts/{desk['id']}/close") == 200
    assert await visitor.ask("GET", SIGN_IN) == 401


async def test_a_session_cannot_be_guessed_from_another(hub: Running) -> None:
    store = hub.services.store
    await first_start_link(store, POLICY)
    async with store.transaction() as tx:
        who = await account_by_login(tx.conn, "desk")
        assert who is not None
        tokens = {(await open_session(tx, who.account, address="a", client="c", method="link", second_factor=False, life=timedelta(hours=1)))[1]
                  for _ in range(50)}
    assert len(tokens) == 50 and all(len(token) >= 43 for token in tokens)
