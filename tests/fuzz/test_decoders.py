"""Malformed input: every decoder raises Rejected and nothing else. Coverage-guided (atheris), ten seconds a target; longer in `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TARGETS = ("report", "daily", "presence", "telemetry", "advisory", "media", "connect", "command")


def fuzz(target: str, seconds: int, folder: Path) -> subprocess.CompletedProcess[str]:
    corpus = folder / "corpus"
    corpus.mkdir()
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.fuzz.target", target, str(corpus), f"-max_total_time={seconds}", "-max_len=4096",
         f"-artifact_prefix={folder}/", "-rss_limit_mb=2048", "-timeout=5"],
        capture_output=True, text=True, timeout=seconds + 60, check=False, cwd=Path(__file__).parents[2], env={**os.environ})


@pytest.mark.parametrize("target", TARGETS)
def test_a_decoder_raises_nothing_but_rejected(target: str, tmp_path: Path) -> None:
    done = fuzz(target, 10, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr, done.stderr[-3000:]


@pytest.mark.soak
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("target", TARGETS)
def test_a_decoder_raises_nothing_but_rejected_for_long(target: str, tmp_path: Path) -> None:
    assert fuzz(target, 600, tmp_path).returncode == 0
