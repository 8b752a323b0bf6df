"""The self-check over HTTP: what the doctor finds stands on the administrator's screen, and on nobody else's."""

from __future__ import annotations

from pathlib import Path

from hub.clock import SystemClock
from hub.domain.access import Role
from tests.support.web_hub import Visitor, cookie_for, web_hub


async def test_the_administrator_reads_what_was_passed_over_with_what_to_do_and_the_desk_does_not(tmp_path: Path) -> None:
    async with web_hub(tmp_path, SystemClock()) as hub, Visitor(hub.web_url) as visitor:
        store = hub.services.store
        _, desk = await cookie_for(store, Role.OPERATOR, department="district-office")
        visitor.hold(desk)
        assert await visitor.ask("GET", "/api/v1/self-check") == 403
        _, admin = await cookie_for(store, Role.SYSTEM_ADMIN, department="district-office")
        visitor.hold(admin)
        async with store.transaction() as tx:
            await tx.conn.exec_driver_sql("INSERT INTO reactor (name, cursor, failures) VALUES ('a reactor of the test', 0, 2)")
        assert await visitor.ask("GET", "/api/v1/self-check") == 200
        (found,) = [one for one in visitor.body["items"] if one["part"] == "reactors"]
        assert (found["state"], "a reactor of the test" in found["en"], bool(found["do"])) == ("warn", True, True)
        assert {"disk", "store", "broker"} <= {one["part"] for one in visitor.body["items"]} and visitor.body["at"].endswith("Z")
