"""The picture of the README: the board of a day on a real hub, after some departments have filed by the five commands.

    python scripts/board_picture.py --out docs/images/board.png
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from console_shots import CHROMIUM_FLAGS, FILE_JS, REPORTS, Hub, _printed, report, sign_in
from playwright.sync_api import sync_playwright

from hub.operate.bench_latency import chromium

ZERO = ("emergency-bureau", "traffic-police", "ecology-bureau", "meteorological-bureau", "maritime-office", "housing-bureau", "town-qingkou",
        "town-zhewang", "town-ganma")
FILED = {"fire-rescue": {"incidents": 1, "injured": 4, "dead": 3, "summary": "青口镇居民楼火灾，已扑灭"}, "health-commission": {"incidents": 1}}


def tocsin(*words: str) -> None:
    """One command beside the running hub; says so where it was refused."""
    done = subprocess.run([sys.executable, "-m", "hub", *words], capture_output=True, text=True)
    if done.returncode:
        print(" ".join(words[:3]), done.stderr.strip())


def fill(data: Path) -> None:
    """What the departments file."""
    for department in ZERO:
        tocsin("daily", "zero", department, "--explanation", "已核对，与本单位职责无关", "--data-dir", str(data))
    with tempfile.TemporaryDirectory() as folder:
        for department, values in FILED.items():
            file = Path(folder) / f"{department}.json"
            file.write_text(json.dumps(values), encoding="utf-8")
            tocsin("daily", "file", department, str(file), "--data-dir", str(data))


def picture(hub: Hub, data: Path, out: Path, chromium: str) -> None:
    """Sign in, file, and take the board."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
        context.add_init_script("localStorage.setItem('tocsin.locale', 'zh'); localStorage.setItem('tocsin.theme', 'light')")
        page = sign_in(context, hub)
        page.evaluate(FILE_JS, report(1, **REPORTS[2]))
        fill(data)
        page.goto(hub.address + "/board")
        page.wait_for_selector("[data-test=board-row]", timeout=15_000)
        page.wait_for_function(f"document.querySelector('[data-test=total-zero] b').textContent == '{len(ZERO)}'", timeout=15_000)
        out.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(out))
        browser.close()
    print(out, out.stat().st_size, "bytes")


def main() -> None:
    """Read the command line and take the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images/board.png"))
    parser.add_argument("--chromium", default=chromium())
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "var", Path(folder) / "hub.log"
        command = [sys.executable, "-m", "hub", "up", "--port", "0", "--broker-port", "0", "--data-dir", str(data)]
        with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
            try:
                picture(Hub(*_printed(process, log, 40)), data, said.out, said.chromium)
            finally:
                process.terminate()
                process.wait(timeout=20)


if __name__ == "__main__":
    main()
