"""A real hub and a real Chromium for the console's tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from hub.operate.bench_latency import chromium
from tests.support.screens import PATIENCE_S, RunningHub, Screen

BUILT = Path(__file__).resolve().parents[2] / "hub" / "web" / "static" / "console" / "index.html"
expect.set_options(timeout=PATIENCE_S * 1_000)
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--disable-gpu-rasterization", "--disable-gpu-compositing"]
"""WebGL is drawn by the processor, everything else without the detour over it: half of what the browser costs."""


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for all tests of this folder."""
    if not BUILT.is_file():
        pytest.fail("the console is not built: make console")
    running = RunningHub(tmp_path_factory.mktemp("hub"))
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """The driver of all browsers. It keeps an event loop running while it is there, so it ends with this folder: other tests bring their own."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests of this folder."""
    opened = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
    yield opened
    opened.close()


@pytest.fixture
def plain(playwright: Playwright) -> Iterator[Browser]:
    """A browser without WebGL."""
    opened = playwright.chromium.launch(executable_path=chromium(), args=[FLAGS[0], "--disable-3d-apis"])
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def signed_in(hub: RunningHub, browser: Browser) -> Any:
    """The cookies of the desk, signed in by the one-time link."""
    context = browser.new_context(base_url=hub.address)
    page = context.new_page()
    password = secrets.token_urlsafe(18)
    page.goto(hub.link)
    page.fill("[name=account]", "desk")
    page.fill("[name=password]", password)
    page.fill("[name=again]", password)
    page.click("button.main")
    page.wait_for_selector("[data-test=condition].good")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def new_screen(hub: RunningHub, playwright: Playwright, browser: Browser, signed_in: Any) -> Iterator[Callable[..., Screen]]:
    """Open screens of the signed-in desk; every incident that still waits is taken at the end, so that tests do not hear each other."""
    contexts: list[BrowserContext] = []

    def make(*, width: int = 1440, height: int = 900, locale: str = "zh", using: Browser = browser) -> Screen:
        context = using.new_context(base_url=hub.address, storage_state=signed_in, viewport={"width": width, "height": height})
        context.add_init_script(f"localStorage.setItem('tocsin.locale', '{locale}')")
        contexts.append(context)
        return Screen(context)

    yield make
    for context in contexts:
        context.close()
    desk = playwright.request.new_context(base_url=hub.address, storage_state=signed_in, extra_http_headers={"x-tocsin": "console"})
    for one in desk.get("/api/v1/incidents?open=true&acknowledged=false&limit=200").json()["items"]:
        desk.post(f"/api/v1/incidents/{one['id']}/acknowledge", data={})
    desk.dispose()
