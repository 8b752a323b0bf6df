"""The follower of an external broker: its signal to read the passwords again must not end a broker that is just starting."""

from __future__ import annotations

import asyncio
import sys

import pytest

from hub.operate.broker_config import read_again

STARTING = """
import signal, sys
sys.stdin.readline()
signal.signal(signal.SIGHUP, lambda *_: (print("read again", flush=True), sys.exit(0)))
print("ready", flush=True)
signal.pause()
"""


async def test_a_broker_that_is_still_starting_is_signalled_once_it_listens_to_signals() -> None:
    pipe = asyncio.subprocess.PIPE
    broker = await asyncio.create_subprocess_exec(sys.executable, "-c", STARTING, stdin=pipe, stdout=pipe)
    assert broker.stdin is not None
    with pytest.raises(TimeoutError):
        await read_again(broker.pid, within_s=0.3)
    assert broker.returncode is None
    signalling = asyncio.create_task(read_again(broker.pid))
    said, _ = await broker.communicate(b"go on\n")
    await signalling
    assert said.split(b"\n")[:2] == [b"ready", b"read again"]
    assert broker.returncode == 0


async def test_a_broker_that_is_gone_is_an_error() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()
    with pytest.raises(ProcessLookupError):
        await read_again(process.pid)
