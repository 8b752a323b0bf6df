"""A small OpenID Connect provider in a process of its own: discovery, keys, authorization code with PKCE, RS256. It signs in `sub=alice`.

`POST /next` {"how": …} makes its next token wrong in one way: nonce, audience, issuer, expired, other_key, none. Prints its address.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

CLIENT, SECRET = "tocsin-hub", "a-client-secret-of-the-test"


class Provider:
    """The state of the provider: its keys, the codes that are out, how the next token is to be wrong."""

    def __init__(self) -> None:
        from joserfc.jwk import RSAKey

        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.other = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.codes: dict[str, dict[str, str]] = {}
        self.how = ""
        self.extra: dict[str, Any] = {}
        self.issuer = ""

    async def discovery(self, _: web.Request) -> web.Response:
        """Where everything is."""
        base = self.issuer
        return web.json_response({"issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
                                  "jwks_uri": base + "/keys", "response_types_supported": ["code"]})

    async def keys(self, _: web.Request) -> web.Response:
        """The public keys."""
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        """Sign alice in without asking."""
        asked = dict(request.query)
        if asked["client_id"] != CLIENT or asked["code_challenge_method"] != "S256":
            raise web.HTTPBadRequest
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        raise web.HTTPFound(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    async def token(self, request: web.Request) -> web.Response:
        """Exchange a code, once, for whoever has the client's secret and the verifier."""
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        credential = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).rstrip(b"=").decode()
        if (asked is None or request.headers.get("Authorization") != credential or challenge != asked["code_challenge"]
                or form["redirect_uri"] != asked["redirect_uri"]):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])})

    def _id_token(self, nonce: str) -> str:
        from joserfc import jwt

        now, how = int(time.time()), self.how
        self.how = ""
        claims: dict[str, Any] = {"iss": self.issuer, "sub": "alice", "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce, **self.extra}
        wrong = {"nonce": {"nonce": "x"}, "audience": {"aud": "another"}, "issuer": {"iss": "https://evil.example"},
                 "expired": {"exp": now - 3600, "iat": now - 7200}}
        claims |= wrong.get(how, {})
        if how == "none":
            parts = [base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode() for text in ('{"alg":"none"}', json.dumps(claims))]
            return ".".join([*parts, ""])
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.other if how == "other_key" else self.key)

    async def next(self, request: web.Request) -> web.Response:
        """Make the next token wrong, or carry further claims."""
        asked = await request.json()
        self.how, self.extra = asked.get("how", ""), asked.get("extra", {})
        return web.json_response({})


async def main() -> None:
    """Serve on a free port until killed."""
    provider = Provider()
    app = web.Application()
    app.add_routes([web.get("/.well-known/openid-configuration", provider.discovery), web.get("/keys", provider.keys),
                    web.get("/authorize", provider.authorize), web.post("/token", provider.token), web.post("/next", provider.next)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    provider.issuer = f"http://127.0.0.1:{port}"
    print(provider.issuer, flush=True)
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def oidc_provider() -> AsyncIterator[str]:
    """A running provider; gives its issuer."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.oidc_provider", stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await child.stdout.readline()
        yield line.decode().strip()
    finally:
        child.kill()
        await child.wait()


if __name__ == "__main__":
    asyncio.run(main())
