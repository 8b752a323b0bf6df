"""A whole agent as a child process that files reports as fast as told and writes the ledger; made to be killed at any moment.

usage: python -m tests.support.agent_child FOLDER LEDGER PORT AGENT_ID REPORTS_PER_S (0: file nothing, drain only)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from agents.outbox import Outbox
from agents.running import sole_speaker
from agents.scenes import everyday_report
from agents.session import Session
from agents.settings import AgentSettings
from hub import wire
from tests.support.ledger import Ledger


async def main(folder: Path, ledger_path: Path, port: int, agent_id: str, rate: float) -> None:
    """File for ever at `rate` (messages of both kinds of urgency), noting each step in the ledger."""
    settings = AgentSettings(
        agent_id=agent_id, mqtt_port=port, password_file=None, resend_after_s=1.0, ack_timeout_s=3.0, keepalive_s=5,
        reconnect_first_s=0.05, reconnect_longest_s=0.5,
    )
    with Ledger(ledger_path) as ledger, sole_speaker(folder), contextlib.closing(Outbox(folder / "outbox.sqlite3")) as outbox:
        session = Session(settings, outbox, on_receipt=lambda receipt, rtt_s: ledger.receipted(receipt.id, receipt.status.value))
        async with asyncio.TaskGroup() as group:
            group.create_task(session.run())
            dice = random.Random()
            print("up", flush=True)
            while rate:
                report = everyday_report(dice, datetime.now(UTC))
                ledger.offered(report.id, wire.content_hash(report))
                await session.file(report)
                ledger.accepted(report.id)
                await asyncio.sleep(1 / rate)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5])))
