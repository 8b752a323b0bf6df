"""A recorder of its own process, to be killed: `python recorder_child.py PORT ROOT RECORDING_ID`; prints a line for every durable entry."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hub.ingest.link import Broker
from hub.ingest.media import MediaSession
from streams.evidence import RecordingHeader
from streams.recorder import Recorder, RecorderOptions
from streams.relay import Relay


async def main() -> None:
    """Recover, then record until killed."""
    port, root, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    relay = Relay()
    session = MediaSession(relay, Broker("127.0.0.1", port, "hub-media", None), client_id="hub-media-2")
    running = asyncio.create_task(session.run())
    recorder = Recorder(relay, root, lambda header, entry: print(msgspec.json.encode(entry).decode(), flush=True),
                        RecorderOptions(segment_s=2, pre_event_s=3, min_free_bytes=0))
    recorder.recover()
    await asyncio.sleep(0)
    await asyncio.wait_for(session.link.connected.wait(), 10)
    header = RecordingHeader(recording_id=name, agent_id="plant-1", camera_id="cam", reason="test", started_at=datetime.now(UTC))
    await recorder.record(header, asyncio.Event())
    running.cancel()


asyncio.run(main())
