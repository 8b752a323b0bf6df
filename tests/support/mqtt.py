"""A bare MQTT 3.1.1 client for tests of brokers: it says exactly what a test tells it to, also what no library would."""

from __future__ import annotations

import asyncio
import struct
from types import TracebackType
from typing import Self


def text(value: str | bytes) -> bytes:
    """A length-prefixed field."""
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(raw)) + raw


def packet(first: int, body: bytes) -> bytes:
    """A packet with its remaining length."""
    head, length = bytearray((first,)), len(body)
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes(head) + body


class Raw:
    """One connection. `connect` gives the CONNACK's code, or None where the broker hung up without one."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.writer.close()

    async def connect(self, client_id: str, user: str | None = None, password: str | None = None, *, clean: bool = True, level: int = 4,
                      will_topic: str | None = None, keep_alive_s: int = 30) -> int | None:
        flags = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0) | (4 if will_topic else 0)
        body = text("MQTT") + bytes((level, flags)) + struct.pack(">H", keep_alive_s)
        body += b"\x00" if level == 5 else b""
        body += text(client_id) + (text(will_topic) + text("gone") if will_topic else b"")
        body += (text(user) if user is not None else b"") + (text(password) if password is not None else b"")
        self.writer.write(packet(0x10, body))
        answer = await self.read()
        return answer[1][1] if answer else None

    async def read(self, within_s: float = 20.0) -> tuple[int, bytes] | None:
        """The next packet (first byte, body), or None at the end of the stream."""
        try:
            async with asyncio.timeout(within_s):
                first = (await self.reader.readexactly(1))[0]
                length = shift = 0
                while True:
                    byte = (await self.reader.readexactly(1))[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                return first, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def subscribe(self, topic: str, qos: int = 1) -> int:
        """The code that the broker grants (0x80: refused)."""
        self.writer.write(packet(0x82, b"\x00\x07" + text(topic) + bytes((qos,))))
        while True:
            answer = await self.read()
            assert answer is not None, "the broker hung up"
            if answer[0] >> 4 == 9:
                return answer[1][2]

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, mid: int = 1) -> None:
        body = text(topic) + (struct.pack(">H", mid) if qos else b"") + payload
        self.writer.write(packet(0x30 | qos << 1 | retain, body))

    async def message(self, within_s: float = 20.0) -> tuple[str, bytes]:
        """The next message: topic and payload; acknowledged where it asks for it."""
        while True:
            answer = await self.read(within_s)
            assert answer is not None, "the broker hung up"
            if answer[0] >> 4 != 3:
                continue
            size = struct.unpack(">H", answer[1][:2])[0]
            topic, rest = answer[1][2 : 2 + size].decode(), answer[1][2 + size :]
            if answer[0] & 0x06:
                self.writer.write(packet(0x40, rest[:2]))
                rest = rest[2:]
            return topic, rest

    async def is_open(self) -> bool:
        """Does the broker answer a ping?"""
        self.writer.write(b"\xc0\x00")
        while True:
            try:
                answer = await self.read()
            except TimeoutError:
                return False
            if answer is None:
                return False
            if answer[0] == 0xD0:
                return True
