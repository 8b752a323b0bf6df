"""Sign-in by an OpenID Connect provider that runs as a process of its own: right once, wrong in every way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hub.app import Running
from hub.clock import SystemClock
from hub.errors import Unavailable
from hub.store.accounts import account_by_login, bind_external, close_account, first_start_link
from hub.web.oidc import Provider, refuse_downgrade
from tests.support.district import POLICY
from tests.support.oidc_provider import CLIENT, SECRET, oidc_provider
from tests.support.web_hub import Visitor, web_hub

START = "/api/v1/sign-in/oidc"


@pytest.fixture
async def issuer() -> AsyncIterator[str]:
    async with oidc_provider() as running:
        yield running


@pytest.fixture
async def hub(tmp_path: Path, issuer: str) -> AsyncIterator[Running]:
    secret = tmp_path / "client-secret"
    secret.write_text(SECRET)
    async with web_hub(tmp_path / "hub", SystemClock(), oidc_issuer=issuer, oidc_client_id=CLIENT, oidc_client_secret_file=str(secret)) as running:
        await first_start_link(running.services.store, POLICY)
        yield running


@pytest.fixture
async def visitor(hub: Running) -> AsyncIterator[Visitor]:
    async with Visitor(hub.web_url) as one:
        yield one


async def bound(hub: Running, issuer: str, subject: str = "alice") -> str:
    async with hub.services.store.transaction() as tx:
        who = await account_by_login(tx.conn, "desk")
        assert who is not None
        await bind_external(tx, who.account.id, issuer, subject, by="person:x")
    return who.account.id


async def through(visitor: Visitor) -> int:
    """Go to the provider and come back, as a browser does; gives the status of coming back."""
    assert await visitor.ask("GET", START) == 302, visitor.body
    async with visitor.client.get(visitor.answer_headers["Location"], allow_redirects=False) as answer:
        assert answer.status == 302
        return await visitor.ask("GET", answer.headers["Location"].removeprefix(visitor.base))


async def tell(visitor: Visitor, issuer: str, **what: object) -> None:
    async with visitor.client.post(issuer + "/next", json=what) as answer:
        assert answer.status == 200


async def test_a_bound_identity_signs_in_with_the_posts_it_holds_here(hub: Running, visitor: Visitor, issuer: str) -> None:
    await bound(hub, issuer)
    assert await through(visitor) == 302 and visitor.answer_headers["Location"] == "/"
    assert await visitor.ask("GET", "/api/v1/session") == 200
    assert visitor.body["roles"] == ["operator"] and visitor.body["must_set_password"] is False and visitor.body["second_factor"] == "none"


async def test_an_identity_that_nobody_has_bound_gets_no_account(hub: Running, visitor: Visitor) -> None:
    assert await through(visitor) == 422 and visitor.body["code"] == "not_bound"
    assert await visitor.ask("GET", "/api/v1/session") == 401


async def test_a_closed_account_stays_closed(hub: Running, visitor: Visitor, issuer: str) -> None:
    id = await bound(hub, issuer)
    async with hub.services.store.transaction() as tx:
        await close_account(tx, id, by="person:x")
    assert await through(visitor) == 422 and visitor.body["code"] == "not_bound"


@pytest.mark.parametrize("how", ["nonce", "audience", "issuer", "expired", "other_key", "none"])
async def test_a_token_that_is_wrong_in_any_way_signs_nobody_in(hub: Running, visitor: Visitor, issuer: str, how: str) -> None:
    await bound(hub, issuer)
    await tell(visitor, issuer, how=how)
    assert await through(visitor) == 422 and visitor.body["code"] == "token_invalid", visitor.body
    assert await visitor.ask("GET", "/api/v1/session") == 401


async def test_another_browser_cannot_be_made_to_finish_a_sign_in(hub: Running, visitor: Visitor, issuer: str) -> None:
    await bound(hub, issuer)
    assert await visitor.ask("GET", START) == 302
    async with visitor.client.get(visitor.answer_headers["Location"], allow_redirects=False) as answer:
        back = answer.headers["Location"].removeprefix(visitor.base)
    async with Visitor(hub.web_url) as other:
        assert await other.ask("GET", back) == 422 and other.body["code"] == "flow_expired", "without the cookie of this sign-in"
        assert await other.ask("GET", START) == 302
        assert await other.ask("GET", back) == 422 and other.body["code"] == "flow_state", "with the cookie of its own"


async def test_a_code_works_once(hub: Running, visitor: Visitor, issuer: str) -> None:
    await bound(hub, issuer)
    assert await visitor.ask("GET", START) == 302
    async with visitor.client.get(visitor.answer_headers["Location"], allow_redirects=False) as answer:
        back = answer.headers["Location"].removeprefix(visitor.base)
    cookie = next(c.value for c in visitor.client.cookie_jar if c.key == "tocsin_oidc")
    assert await visitor.ask("GET", back) == 302
    assert await visitor.ask("GET", back, headers={"Cookie": f"tocsin_oidc={cookie}"}) in (422, 503)


async def test_a_second_factor_shown_at_the_provider_counts_here(hub: Running, visitor: Visitor, issuer: str) -> None:
    async with hub.services.store.transaction() as tx:
        who = await account_by_login(tx.conn, "secadmin")
        assert who is not None
        await bind_external(tx, who.account.id, issuer, "alice", by="person:x")
    assert await through(visitor) == 302
    assert await visitor.ask("GET", "/api/v1/policies/roles") == 403
    await tell(visitor, issuer, extra={"amr": ["pwd", "otp"]})
    assert await through(visitor) == 302
    assert await visitor.ask("GET", "/api/v1/policies/roles") == 200


async def test_a_provider_that_is_away_says_so_and_local_accounts_go_on(tmp_path: Path) -> None:
    async with web_hub(tmp_path, SystemClock(), oidc_issuer="http://127.0.0.1:9", oidc_client_id=CLIENT) as hub, Visitor(hub.web_url) as visitor:
        assert await visitor.ask("GET", START) == 503 and visitor.body["code"] == "provider"
        token = await first_start_link(hub.services.store, POLICY)
        assert await visitor.ask("POST", "/api/v1/session/welcome", {"token": token, "account": "", "password": "Tide-Bell-2026"}) == 200


async def test_without_a_provider_the_way_does_not_exist(tmp_path: Path) -> None:
    async with web_hub(tmp_path, SystemClock()) as hub, Visitor(hub.web_url) as visitor:
        assert await visitor.ask("GET", START) == 404


async def test_a_provider_elsewhere_without_https_is_never_asked(tmp_path: Path) -> None:
    async with web_hub(tmp_path, SystemClock(), oidc_issuer="http://idp.example", oidc_client_id=CLIENT) as hub, Visitor(hub.web_url) as visitor:
        assert await visitor.ask("GET", START) == 503 and "HTTPS" in visitor.body["message"]["en"]


@pytest.mark.parametrize("lowered", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_a_provider_sends_the_hub_to_no_service_of_its_own_machine(lowered: str) -> None:
    at = "https://idp.example"
    provider = Provider(issuer=at, authorization_endpoint=f"{at}/a", token_endpoint=f"{at}/t", jwks_uri=f"{at}/k")
    refuse_downgrade(provider)
    with pytest.raises(Unavailable, match="HTTPS"):
        refuse_downgrade(msgspec.structs.replace(provider, **{lowered: "http://127.0.0.1:9/x"}))
