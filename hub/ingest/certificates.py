"""Client certificates at the embedded broker's TLS port: whose is it, is it revoked; follows the CA's files while the broker runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.errors import Rejected
from hub.wire import MEDIA_SUFFIX

if TYPE_CHECKING:
    from hub.settings import Settings

log = logging.getLogger("hub.broker")
LOOK_S: Final = 1.0
"""Seconds between two looks at the CA's files: a revoked certificate's connection is cut well within five."""


class Certificates:
    """The TLS context of the broker and what it thinks of a certificate. `required` asks every connection for one."""

    def __init__(self, settings: Settings) -> None:
        self.required = settings.broker_tls_client_certs
        self._settings = settings
        self._folder: Path = settings.data_path / "ca"
        self._seen: dict[str, float] = {}
        self.revoked: frozenset[int] = frozenset()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.required and not self._trusted.is_file():
            raise Rejected("no_ca", "要求终端证书，但还没有 CA：请先运行 tocsin ca init", "client certificates are asked for, and there is no CA: tocsin ca init",
                           field="broker_tls_client_certs")
        self.follow()
        if self._trusted.is_file():
            self.context.verify_mode = ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL

    @property
    def _trusted(self) -> Path:
        return self._folder / "ca.pem"

    def _changed(self, path: Path) -> bool:
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            return False
        if self._seen.get(str(path)) == stamp:
            return False
        self._seen[str(path)] = stamp
        return True

    def follow(self) -> bool:
        """Take in what changed on disk: a renewed certificate, a further authority, revocations. True where revocations changed."""
        certificate = Path(self._settings.tls_cert_file)
        if self._changed(certificate):
            self.context.load_cert_chain(self._settings.tls_cert_file, self._settings.tls_key_file or None)
        if self._changed(self._trusted):
            self.context.load_verify_locations(self._trusted)
        if self._changed(self._folder / "issued.json"):
            from hub.operate.ca import Authority

            self.revoked = Authority(self._folder).revoked()
            return True
        return False

    def refusal(self, tls: Any, name: str) -> str | None:
        """Why a connection that calls itself `name` is not let in; None where its certificate is in order (or none is asked for)."""
        if tls is None:
            return None
        certificate = tls.getpeercert()
        if not certificate:
            return "no certificate" if self.required else None
        names = [value for part in certificate["subject"] for key, value in part if key == "commonName"]
        if names != [name.removesuffix(MEDIA_SUFFIX)]:
            return f"the certificate is {names}'s"
        return "the certificate is revoked" if serial_of(tls) in self.revoked else None


def serial_of(tls: Any) -> int | None:
    """The serial number of the other side's certificate; None without one."""
    certificate = tls.getpeercert() if tls is not None else None
    return int(certificate["serialNumber"], 16) if certificate else None


async def follow(certificates: Certificates, front: Any) -> None:
    """Look at the CA's files for ever, and cut the live connections of certificates that were revoked."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            if not certificates.follow():
                continue
        except (OSError, ssl.SSLError, ValueError) as error:
            log.error("the broker's certificates could not be read again: %s", error)
            continue
        for connection in list(front.live.values()):
            if serial_of(connection.get_ssl_info()) in certificates.revoked:
                front.cut += 1
                await connection.end()
