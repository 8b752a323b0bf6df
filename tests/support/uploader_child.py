"""An agent's uploader as a child process, made to be killed: python -m tests.support.uploader_child FOLDER HUB_URL"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agents.attachments import Uploader
from agents.outbox import Outbox
from agents.settings import AgentSettings

if __name__ == "__main__":
    settings = AgentSettings(agent_id="plant-1", hub_url=sys.argv[2], upload_chunk_bytes=65_536, upload_retry_longest_s=0.3)
    asyncio.run(Uploader(settings, Outbox(Path(sys.argv[1]) / "outbox.sqlite3"), "secret").run())
