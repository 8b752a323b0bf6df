"""Puts the routes on aiohttp: the API, the console's files, the OpenAPI document. Holds no rule."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from hub.web import NOUNS
from hub.web.guard import security_headers
from hub.web.openapi import document
from hub.web.route import PUBLIC, Ask, NotFound, Route, answer, handle, json_response
from hub.web.services import Services

CONSOLE = Path(__file__).parent / "static" / "console"


def all_routes() -> list[Route]:
    """Every route of every noun, and the document that describes them."""
    routes: list[Route] = []
    for noun in NOUNS:
        routes.extend(importlib.import_module(f"hub.web.{noun}").ROUTES)
    described = list(routes)

    async def openapi(ask: Ask) -> web.StreamResponse:
        return json_response(document(described))

    routes.append(Route("GET", "/api/v1/openapi.json", openapi, PUBLIC, zh="接口说明", en="this description"))
    return routes


def make_app(services: Services, routes: Iterable[Route] | None = None, *, console: bool = True) -> web.Application:
    """The web application of one hub: every route, or those given; with the console's files or without."""
    app = web.Application(client_max_size=16 * 2**20, middlewares=[_told])
    given = list(routes) if routes is not None else all_routes()
    own_heads = {route.path for route in given if route.method == "HEAD"}
    for route in given:
        app.router.add_route(route.method, route.path, _endpoint(services, route))
        if route.method == "GET" and route.path not in own_heads:  # whatever GET would say, without the body (RFC 9110, 9.3.2)
            app.router.add_route("HEAD", route.path, _endpoint(services, route))
    if console:
        app.router.add_get("/{tail:.*}", partial(_console, services))
    app.on_response_prepare.append(security_headers(services.settings))
    return app


@web.middleware
async def _told(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """What no route takes, such as a method that a path does not know, is refused in the words of every refusal."""
    return await answer(lambda: handler(request))


def _endpoint(services: Services, route: Route) -> Any:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        return await answer(lambda: handle(services, route, request))

    return endpoint


async def _console(services: Services, request: web.Request) -> web.StreamResponse:
    """A file of the console, or its page: the page's own router reads the path."""
    return await answer(lambda: _file(request))


def _inside(root: Path, tail: str) -> Path | None:
    """The file of that name below the folder; None where there is none, for whatever reason."""
    try:
        wanted = (root / tail).resolve()
        return wanted if tail and wanted.is_relative_to(root) and wanted.is_file() else None
    except (OSError, ValueError):  # a name that no file can have: too long, with a NUL in it
        return None


async def _file(request: web.Request) -> web.StreamResponse:
    tail = request.match_info["tail"]
    if tail.startswith("api/"):
        raise NotFound
    root = CONSOLE.resolve()
    wanted = _inside(root, tail)
    if wanted is not None:
        immutable = tail.startswith("assets/")
        return web.FileResponse(wanted, headers={"Cache-Control": "public, max-age=31536000, immutable" if immutable else "no-cache"})
    if Path(tail).suffix and not tail.startswith("welcome"):
        raise NotFound
    page = root / "index.html"
    if not page.is_file():
        return web.Response(status=503, text="控制台尚未构建：make console / the console is not built: make console")
    return web.FileResponse(page, headers={"Cache-Control": "no-cache"})
