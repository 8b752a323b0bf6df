"""Pictures of the console in a real Chromium against a real hub: every screen, three sizes, two languages.

Starts a hub of its own (or uses `--address` with `--link`), signs in by the one-time link, files reports as an operator would and walks the
screens. It fails where a screen logs an error, asks anything of another host, or is wider than its window.

    python scripts/console_shots.py --out docs/pictures
"""

from __future__ import annotations

import argparse
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, sync_playwright

from hub.operate.bench_latency import chromium

SIZES = {"desktop": (1440, 900), "wall": (1920, 1080), "phone": (390, 844)}
CHROMIUM_FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
FILE_JS = """async (report) => {
  const answer = await fetch('/api/v1/reports?channel=web', {method: 'POST', headers: {'content-type': 'application/json', 'x-tocsin': 'console'},
    body: JSON.stringify(report)})
  return answer.json()
}"""
ACT_JS = """async ([id, action, body]) => {
  const answer = await fetch(`/api/v1/incidents/${id}/${action}`, {method: 'POST', headers: {'content-type': 'application/json',
    'x-tocsin': 'console'}, body: JSON.stringify(body)})
  return answer.status
}"""


class Hub(NamedTuple):
    """Where the hub answers, and its one-time sign-in link."""

    address: str
    link: str


class Scene(NamedTuple):
    """One screen: its name, its path, and what must be visible before the picture is taken."""

    name: str
    path: str
    ready: str


@contextmanager
def own_hub(deadline_s: float = 40.0, *, demo: bool = False) -> Iterator[Hub]:
    """A hub in a folder of its own on free ports, with the demo district where asked for; ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "hub.log"
        command = [sys.executable, "-m", "hub", "up", "--port", "0", "--broker-port", "0", "--data-dir", str(Path(folder) / "var"),
                   *(["--demo"] if demo else [])]
        with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
            try:
                yield Hub(*_printed(process, log, deadline_s))
            finally:
                process.terminate()
                process.wait(timeout=20)


def _printed(process: subprocess.Popen[bytes], log: Path, deadline_s: float) -> tuple[str, str]:
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        text = log.read_text("utf-8", "replace")
        link = re.search(r"https?://\S+/welcome/\S+", text)
        if link:
            parts = urlsplit(link.group())
            return f"{parts.scheme}://{parts.netloc}", link.group()
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"the hub did not start:\n{log.read_text('utf-8', 'replace')}")


def report(n: int, **fields: Any) -> dict[str, Any]:
    """A first report with an id of its own and the present time."""
    now_ms = int(time.time() * 1000)
    tail = secrets.token_hex(9)
    id = f"{now_ms:012x}7{tail[:3]}8{tail[3:18]}"
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60 * n))
    return {"id": f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}", "kind": "initial", "occurred_at": at, **fields}


REPORTS: list[dict[str, Any]] = [
    {"title": "墩尚镇两车追尾", "place": {"text": "墩尚镇 S242", "lon": 119.04, "lat": 34.71}, "event_types": ["12H00"], "casualties": {"injured": 1}},
    {"title": "沙河镇食品厂多人腹泻", "place": {"text": "沙河镇工业集中区", "lon": 118.99, "lat": 34.77}, "event_types": ["13B00"],
     "casualties": {"poisoned": 11, "dead": 0}},
    {"title": "青口镇居民楼火灾", "place": {"text": "青口镇黄海东路 18 号", "lon": 119.11, "lat": 34.845}, "event_types": ["12G00"],
     "casualties": {"dead": 3, "injured": 4}, "measures_taken": "消防 4 车到场，疏散 2 个单元"},
    {"title": "G204 赣马镇段液氨罐车侧翻泄漏", "text": "一辆液氨罐车侧翻，罐体阀门处有白色气雾，驾驶室有人被困。", "urgent": True, "drill": True,
     "place": {"text": "G204 赣马镇段", "lon": 119.13, "lat": 34.86, "road": "G204", "road_km": 32.4, "adcode": "320707108"},
     "event_types": ["12H00", "12D00"], "casualties": {"seriously_injured": 1, "injured": 2, "trapped": 1},
     "hazmat": [{"un": "1005", "hin": "268", "name": "液氨", "quantity_kg": 25000, "container": "road_tanker", "leak": True}],
     "reporter": {"name": "李明", "post": "押运员", "phone": "13800000000"}},
    {"title": "柘汪镇储罐区冒烟，有刺激性气味", "urgent": True, "place": {"text": "柘汪镇临港产业区 3 号路", "lon": 119.19, "lat": 35.05},
     "event_types": ["12D00"], "casualties": {"evacuated": 60}},
]


def sign_in(context: BrowserContext, hub: Hub) -> Page:
    """Follow the one-time link and choose an account and a password."""
    page = context.new_page()
    page.goto(hub.link)
    password = secrets.token_urlsafe(18)
    page.fill("[name=account]", "desk")
    page.fill("[name=password]", password)
    page.fill("[name=again]", password)
    page.click("button.main")
    page.wait_for_selector("[data-test=condition].good", timeout=15_000)
    return page


def fill(page: Page) -> list[str]:
    """File the reports; the first three are taken, one of them verified. Gives the incidents' ids."""
    ids = []
    for n, fields in enumerate(REPORTS):
        receipt = page.evaluate(FILE_JS, report(len(REPORTS) - n, **fields))
        if receipt.get("status") != "stored":
            raise SystemExit(f"a report was not stored: {receipt}")
        ids.append(str(receipt["incident_id"]))
    for id in ids[:3]:
        page.evaluate(ACT_JS, [id, "acknowledge", {}])
    page.evaluate(ACT_JS, [ids[2], "verify", {}])
    page.evaluate(ACT_JS, [ids[3], "note", {"text": "已电话通知消防、交警、生态环境。"}])
    return ids


def scenes(ids: list[str]) -> list[Scene]:
    """The screens in the order of a duty."""
    return [
        Scene("incidents", "/incidents", "[data-test=incident]"),
        Scene("incident", f"/incidents/{ids[3]}", "[data-test=incident-page]:has([data-test=report])"),
        Scene("map", "/map", ".pin, .mark"),
        Scene("wall", "/wall", "[data-test=wall]"),
        Scene("rollcall", "/rollcall", "[data-test=rollcall]"),
        Scene("report", "/reports/new", "[data-test=report-form]"),
        Scene("phone-note", "/reports/new?phone=1", "[name=heard]"),
        Scene("agents", "/agents", "main h1"),
        Scene("quarantine", "/quarantine", "main h1"),
        Scene("system", "/system", "[data-test=part]"),
        Scene("account", "/account", "[data-test=account]"),
        Scene("duties", "/duties", "[data-test=duties]"),
        Scene("roster", "/roster", "[data-test=roster]"),
        Scene("daily", "/daily", "main h1"),
        Scene("board", "/board", "main h1"),
        Scene("digest", "/digest", "main h1"),
        Scene("groups", "/groups", "main h1"),
        Scene("plans", "/plans", "main h1"),
        Scene("hazmat", "/hazmat?un=1005", "main input"),
        Scene("resources", "/resources", "[data-test=resources]"),
        Scene("field", "/field/", "[data-test=field]"),
        Scene("organisation", "/organisation", "[data-test=organisation]"),
    ]


def open_page(browser: Browser, hub: Hub, state: Any, size: str, locale: str, theme: str, faults: list[str]) -> Page:
    """A signed-in page of one size, language and theme, that notes in `faults` what goes wrong in it."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, storage_state=state, locale="zh-CN" if locale == "zh" else "en-GB",
                                  is_mobile=size == "phone", has_touch=size == "phone", device_scale_factor=1)
    context.add_init_script(f"localStorage.setItem('tocsin.locale', '{locale}'); localStorage.setItem('tocsin.theme', '{theme}')")
    page = context.new_page()
    own = (hub.address, hub.address.replace("http", "ws", 1), "data:", "blob:")
    page.on("console", lambda m: faults.append(f"{m.type}: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: faults.append(f"error: {e}"))
    page.on("request", lambda r: None if r.url.startswith(own) else faults.append(f"asked another host: {r.url}"))
    return page


def take(page: Page, hub: Hub, scene: Scene, file: Path) -> str | None:
    """One picture; gives what was wrong."""
    page.goto(hub.address + scene.path)
    try:
        page.wait_for_selector(scene.ready, timeout=15_000)
    except TimeoutError:
        page.screenshot(path=str(file))
        return f"{scene.ready} never appeared"
    if page.locator("figure.map").count():
        page.wait_for_selector("[data-test=gl], [data-test=outline]")
        page.wait_for_timeout(2000)  # software WebGL draws its tiles; a picture has no event for that
    page.screenshot(path=str(file))
    wide = int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
    return f"{wide} px wider than the window" if wide > 0 else None


def walk(hub: Hub, out: Path, chromium: str, only: str | None) -> list[str]:
    """All screens at all sizes in both languages, and by daylight on the desk."""
    out.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    looks = [(size, locale, "dark") for size in SIZES for locale in ("zh", "en")] + [("desktop", "zh", "light")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        first = browser.new_context()
        ids = fill(sign_in(first, hub))
        state = first.storage_state()
        first.close()
        wanted = [scene for scene in scenes(ids) if not only or re.search(only, scene.name)]
        for size, locale, theme in looks:
            noted: list[str] = []
            page = open_page(browser, hub, state, size, locale, theme, noted)
            for scene in wanted:
                fault = take(page, hub, scene, out / f"{scene.name}-{size}-{locale}-{theme}.png")
                faults += [f"{scene.name} {size} {locale} {theme}: {what}" for what in [*noted, *([fault] if fault else [])]]
                noted.clear()
            page.context.close()
            print(size, locale, theme, flush=True)
        browser.close()
    return faults


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("test-results/console"), help="folder for the pictures")
    parser.add_argument("--address", help="a hub that runs already; needs --link")
    parser.add_argument("--link", help="its one-time sign-in link")
    parser.add_argument("--demo", action="store_true", help="with the demo district, whose day fills in behind the scenes")
    parser.add_argument("--only", help="only the scenes whose name matches this expression")
    parser.add_argument("--chromium", default=chromium(), help="the browser")
    said = parser.parse_args()
    if said.address:
        faults = walk(Hub(said.address.rstrip("/"), said.link), said.out, said.chromium, said.only)
    else:
        with own_hub(demo=said.demo) as hub:
            faults = walk(hub, said.out, said.chromium, said.only)
    for fault in faults:
        print(fault)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
