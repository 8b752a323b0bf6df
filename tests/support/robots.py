"""The group robots of WeCom, DingTalk and Feishu on loopback: a proxy that ends the TLS of their hosts itself and answers in their words."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("qyapi.weixin.qq.com", "oapi.dingtalk.com", "open.feishu.cn")


class Post(NamedTuple):
    """One request as a robot received it."""

    host: str
    path: str
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The text that the group would show."""
        return str((self.body.get("text") or {}).get("content") or (self.body.get("content") or {}).get("text"))


class Robots:
    """`async with Robots(folder) as robots`; `answers` are used up one after the other, then `answer` holds. `env` sends a process's requests here."""

    def __init__(self, folder: Path, *, answers: tuple[dict[str, Any], ...] = ()) -> None:
        self.folder = folder
        self.answers = list(answers)
        self.answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "code": 0}
        self.status = 200
        self.posts: list[Post] = []
        self._server: asyncio.Server | None = None
        self._tls = _tls(folder)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def env(self) -> dict[str, str]:
        """What a process needs so that it finds the robots here."""
        assert self._server is not None
        address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return {"HTTPS_PROXY": address, "https_proxy": address, "REQUESTS_CA_BUNDLE": str(self.folder / "robots.pem"), "NO_PROXY": "", "no_proxy": ""}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            host = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().partition(":")[0]
            if host not in HOSTS:
                writer.write(b"HTTP/1.1 403 no\r\n\r\n")
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 ok\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self._tls)
            await self._post(host, reader, writer)
        writer.close()

    async def _post(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.partition(":")[2]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
        self.posts.append(Post(host, head.split(" ")[1], json.loads(await reader.readexactly(length))))
        body = json.dumps(self.answers.pop(0) if self.answers else self.answer).encode()
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()


def _tls(folder: Path) -> ssl.SSLContext:
    """A certificate of its own for the three hosts, saved for whoever is to trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "robots of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    path = folder / "robots.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
