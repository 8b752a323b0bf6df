"""The console speaks of every kind of change and every role that the hub knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_words_that_the_console_takes_from_the_hub_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, "scripts/console_words.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
