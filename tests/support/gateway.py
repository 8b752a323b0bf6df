"""A real gateway on loopback for notices: HTTP and SMTP that succeed, fail for a while, fail for good, or hang; it keeps what it was given."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import NamedTuple, Self

NEAR = ("127.0.0.1", "localhost")
"""The setting under which a hub sends to a gateway of the same machine."""


class Got(NamedTuple):
    """One message as the gateway received it: the notice's id (from the header or the text), title, text, seconds since the epoch."""

    id: str
    title: str
    text: str
    at: float


class Gateway:
    """`async with Gateway() as gateway`. `answers` are used up one after the other, then `answer` holds; `hang_s` delays every answer."""

    def __init__(self, *, answer: int = 200, answers: tuple[int, ...] = (), hang_s: float = 0.0) -> None:
        self.answer = answer
        self.answers = list(answers)
        self.hang_s = hang_s
        self.got: list[Got] = []
        self.tries = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its address for a contact: a JSON webhook."""
        return f"json://127.0.0.1:{self.port}/hook"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._request(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
        self.tries += 1
        if self.hang_s:
            await asyncio.sleep(self.hang_s)
        status = self.answers.pop(0) if self.answers else self.answer
        if status < 300:
            self.got.append(Got(headers.get("x-notice-id", ""), body["title"], body["message"], time.time()))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()


class MailServer(Gateway):
    """The same by SMTP (RFC 5321): `answer` is the reply to DATA's end (250 takes it, 4yz later, 5yz never)."""

    def __init__(self, *, answer: int = 250, answers: tuple[int, ...] = (), hang_s: float = 0.0) -> None:
        super().__init__(answer=answer, answers=answers, hang_s=hang_s)

    @property
    def url(self) -> str:
        """Its address for a contact."""
        return f"mailto://127.0.0.1:{self.port}?to=duty@example.com&from=hub@example.com&mode=insecure&smtp=127.0.0.1"

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 test")
        while line := (await reader.readline()).decode(errors="replace").strip():
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP"):
                say("250 ok")
            elif verb == "DATA":
                say("354 go on")
                await self._mail((await reader.readuntil(b"\r\n.\r\n")).decode(errors="replace"), say)
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("502 no")

    async def _mail(self, text: str, say: object) -> None:
        import email
        from email.header import decode_header, make_header

        self.tries += 1
        if self.hang_s:
            await asyncio.sleep(self.hang_s)
        status = self.answers.pop(0) if self.answers else self.answer
        if status < 300:
            mail = email.message_from_string(text)
            part = next(p for p in mail.walk() if p.get_content_type().startswith("text/"))
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            self.got.append(Got("", str(make_header(decode_header(mail["Subject"]))), payload.decode(), time.time()))
        assert callable(say)
        say(f"{status} answer")
