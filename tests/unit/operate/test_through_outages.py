"""A stage that meets an outage begins again; one that has a bug ends the process."""

from __future__ import annotations

import pytest

from hub.app import through_outages
from hub.errors import Unavailable


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
