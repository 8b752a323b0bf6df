"""A stage that meets an outage begins again, and so does the first start's welcome; one that has a bug ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hub.app import Running, serve, through_outages
from hub.errors import Unavailable
from hub.settings import Settings
from tests.support.until import until


async def test_an_outage_is_a_later_start_and_a_bug_an_end() -> None:
    left: list[Exception] = [Unavailable("store_unavailable", "数据库暂时不可用", "the store is away")] * 2
    done = []

    async def work() -> None:
        if left:
            raise left.pop()
        done.append(True)

    await through_outages("plans.import", work, pause_s=0)
    assert done == [True]
    left.append(ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await through_outages("plans.import", work, pause_s=0)


async def test_a_store_that_is_away_as_the_first_link_is_made_does_not_end_the_hub_and_holds_up_no_stop(tmp_path: Path) -> None:
    asked, away = [], asyncio.Event()

    async def welcome(_hub: Running) -> None:
        asked.append(True)
        if len(asked) != 2:
            raise Unavailable("store_unavailable", "数据库暂时不可用", "the store is away")
        away.set()

    for ended in (away, asyncio.Event()):  # once it succeeds at the second time, once it never does
        asked.clear()
        hub = asyncio.create_task(serve(Settings(data_dir=str(tmp_path), web_port=0, broker_port=0), on_ready=welcome))
        if ended is away:
            await asyncio.wait_for(away.wait(), 30)
        else:
            asked.extend([True, True])
            await until(lambda: len(asked) > 3, 30, "asked again and again")
        assert not hub.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(hub, 30)
