"""The yardstick of `tocsin bench ingest`: a paho client that acknowledges every message and stores nothing; prints its seconds."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """`PORT TOPIC COUNT CLIENT`; the password is in the environment."""
    port, topic, total, id = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    seen, first = 0, 0.0

    def on_message(client: Any, _userdata: Any, message: Any) -> None:
        nonlocal seen, first
        if not seen:
            first = time.perf_counter()
        seen += 1
        client.ack(message.mid, message.qos)
        if seen == total:
            sys.stdout.write(str(time.perf_counter() - first))
            client.disconnect()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=id, clean_session=False, manual_ack=True)
    client.username_pw_set("hub", os.environ["TOCSIN_BENCH_PASSWORD"])
    client.on_message = on_message
    client.on_connect = lambda c, *_: c.subscribe(topic, qos=1)
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main()
