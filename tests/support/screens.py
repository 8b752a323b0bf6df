"""A real hub as a child process, and an operator's screen in a real Chromium."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.ports import free_port

CALL_JS = """async ([method, path, body]) => {
  const answer = await fetch(path, {method, headers: {'content-type': 'application/json', 'x-tocsin': 'console'},
    body: body === null ? undefined : JSON.stringify(body)})
  return {status: answer.status, body: await answer.json()}
}"""


PATIENCE_S = 40.0
"""A deadline, not a promise of speed: it tells what never happens from what a busy machine does later."""


def eventually(holds: Callable[[], Any], deadline_s: float = PATIENCE_S) -> Any:
    """Wait until `holds()` is true and give what it said; fails after the deadline."""
    until = time.monotonic() + deadline_s
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


class RunningHub:
    """A hub in a process of its own; `kill` and `start` keep its data, its port and its sessions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.broker_port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.link = ""

    def start(self) -> None:
        """Start and wait until it answers; the first start prints the one-time `link`."""
        self.starts += 1
        log = self.folder / f"hub-{self.starts}.log"
        command = [sys.executable, "-m", "hub", "up", "--port", str(self.port), "--broker-port", str(self.broker_port),
                   "--data-dir", str(self.folder / "var")]
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=os.environ | {"TOCSIN_NOTICE_NEAR": "127.0.0.1"})
        eventually(lambda: "MQTT 127.0.0.1" in log.read_text("utf-8", "replace") or self._ended(log), 40)
        link = re.search(r"https?://\S+/welcome/\S+", log.read_text("utf-8", "replace"))
        self.link = link.group() if link else self.link

    def _ended(self, log: Path) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, log.read_text("utf-8", "replace")
        return False

    def code(self, agent: str, department: str = "emergency-bureau") -> str:
        """A one-time code with which an agent enrols."""
        made = subprocess.run([sys.executable, "-m", "hub", "agent-code", agent, "--department", department, "--data-dir", str(self.folder / "var")],
                              check=True, capture_output=True, text=True)
        return made.stdout.split()[-1]

    def sign_in_link(self, account: str) -> str:
        """A one-time sign-in link for an account that was there from the beginning."""
        made = subprocess.run([sys.executable, "-m", "hub", "account", "link", account, "--data-dir", str(self.folder / "var")],
                              check=True, capture_output=True, text=True)
        found = re.search(r"https?://\S+/welcome/\S+", made.stdout)
        assert found, made.stdout
        return found.group()

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


class Screen:
    """One operator's screen: a page, what it logged as an error, and the addresses it asked."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda m: self.errors.append(f"{m.text} {m.location['url']}") if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", lambda r: self.asked.append(r.url))

    def open(self, path: str = "/incidents") -> Page:
        """Go to a path and wait until the screen is live."""
        self.page.goto(path)
        self.page.wait_for_selector("[data-test=condition].good")
        return self.page

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the hub as this screen would; gives status and body."""
        return self.page.evaluate(CALL_JS, [method, path, body])

    def report(self, title: str, **fields: Any) -> str:
        """File a first report; gives the incident's id."""
        now = time.gmtime()
        body = {"id": new_id(), "kind": "initial", "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now), "title": title,
                "place": {"text": "赣马镇", "lon": 119.11, "lat": 34.9}, **fields}
        answer = self.call("POST", "/api/v1/reports", body)
        assert answer["body"]["status"] == "stored", answer
        return str(answer["body"]["incident_id"])


def new_id() -> str:
    """A UUIDv7."""
    tail = secrets.token_hex(9)
    id = f"{int(time.time() * 1000):012x}7{tail[:3]}8{tail[3:18]}"
    return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"
