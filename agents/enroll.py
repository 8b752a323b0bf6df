"""Enrolment: a one-time code from the hub becomes this agent's own credential, written to its folder for the owner's eyes only."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct

from agents.keys import TLS_KEY, certificate_request, public_key_text, signing_key
from agents.settings import CONFIG_NAMES, save_settings, write_private
from hub.errors import Rejected, Unavailable, why_en, why_zh
from hub.ids import is_slug


class Broker(Struct, frozen=True, kw_only=True):
    """Where the agent's MQTT connection goes."""

    host: str
    port: int
    tls: bool = False


class Enrollment(Struct, frozen=True, kw_only=True):
    """The hub's answer to a good code."""

    agent_id: str
    hub_id: str
    mqtt: Broker
    username: str
    password: str | None = None
    department_id: str = ""
    ca_pem: str | None = None
    cert_pem: str | None = None
    must_sign: bool = False


class Words(Struct, frozen=True):
    """A sentence in both languages."""

    zh: str = ""
    en: str = ""


class Refusal(Struct, frozen=True, kw_only=True):
    """How the hub says no over HTTP."""

    code: str = "refused"
    message: Words = Words()


async def enroll(folder: Path, hub_url: str, code: str, name: str = "", *, ca_file: Path | None = None, replace: bool = False) -> Enrollment:
    """Trade `code` for a credential and write the folder's settings; raises Rejected (a bad code, a used one) or Unavailable.

    A folder that is enrolled already is left alone unless `replace`; its outbox always stays.
    """
    if not hub_url.startswith(("http://", "https://")):
        raise Rejected("wrong_url", f"中心网址 {hub_url} 应以 http:// 或 https:// 开头", f"the hub's address {hub_url} begins with http:// or https://", field="hub")
    asked = _prepare(folder, code, name, replace)
    enrollment = await _ask(hub_url, asked, ca_file)
    if not is_slug(enrollment.agent_id) or enrollment.username != enrollment.agent_id:
        raise Rejected("strange_answer", "中心的答复不符合约定（用户名应等于终端标识）", "the hub's answer breaks the contract: user name is not the agent id")
    write_enrollment(folder, hub_url, enrollment, name)
    return enrollment


def _prepare(folder: Path, code: str, name: str, replace: bool) -> dict[str, str]:
    if not replace and any((folder / one).exists() for one in CONFIG_NAMES):
        raise Rejected("already_enrolled", f"{folder} 已注册，如需重新注册请加 --replace", f"{folder} is enrolled already: --replace to do it anew")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "code": code.strip().upper(), "name": name, "public_key": public_key_text(signing_key(folder)),
        "csr": certificate_request(folder, name or "agent"),
    }


async def _ask(hub_url: str, asked: dict[str, str], ca_file: Path | None) -> Enrollment:
    tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
    url = hub_url.rstrip("/") + "/api/v1/enroll"
    timeout = aiohttp.ClientTimeout(total=30)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.post(url, json=asked, ssl=tls) as response:
            body = await response.read()
            status = response.status
    except aiohttp.ClientConnectorCertificateError:
        raise Rejected("hub_not_trusted", f"{hub_url} 的证书不受信任：下载 {hub_url.rstrip('/')}/ca.pem，核对指纹后用 --ca 指明",
                       f"the certificate of {hub_url} is not trusted: get {hub_url.rstrip('/')}/ca.pem, compare its fingerprint, and name it with --ca",
                       field="ca") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable("hub_unreachable", f"连不上中心 {hub_url}（{why_zh(error)}）：中心在运行吗？网址和端口应与 tocsin up 打印的一致",
                          f"cannot reach the hub at {hub_url} ({why_en(error)}): does it run? Address and port are those that `tocsin up` prints") from None
    if status == 429:
        told = _refused(status, body)
        raise Unavailable("wait", told.zh, told.en)
    if status >= 500:
        raise Unavailable("hub_unavailable", f"中心暂时不可用（{status}）", f"the hub cannot do it now ({status})")
    if status >= 400:
        raise _refused(status, body)
    try:
        return msgspec.json.decode(body, type=Enrollment)
    except msgspec.DecodeError as error:
        raise Rejected("strange_answer", f"看不懂中心的答复：{error}", f"the hub's answer makes no sense: {error}") from None


def _refused(status: int, body: bytes) -> Rejected:
    try:
        refusal = msgspec.json.decode(body, type=Refusal)
    except msgspec.DecodeError:
        refusal = Refusal()
    words = refusal.message
    return Rejected(refusal.code, words.zh or f"中心拒绝了注册（{status}）", words.en or f"the hub refused the enrolment ({status})")


def write_enrollment(folder: Path, hub_url: str, enrollment: Enrollment, name: str = "") -> None:
    """Write secrets first and the settings that name them last, so that a half-written folder is never taken for an enrolled one."""
    if enrollment.password:
        write_private(folder / "password", enrollment.password + "\n")
    if enrollment.ca_pem:
        write_private(folder / "ca.pem", enrollment.ca_pem)
    if enrollment.cert_pem:
        write_private(folder / "cert.pem", enrollment.cert_pem)
    save_settings(folder, {
        "agent_id": enrollment.agent_id, "department": enrollment.department_id, "name": name, "hub_id": enrollment.hub_id,
        "hub_url": hub_url.rstrip("/"), "mqtt_host": enrollment.mqtt.host, "mqtt_port": enrollment.mqtt.port, "tls": enrollment.mqtt.tls,
        "password_file": "password" if enrollment.password else "", "ca_file": "ca.pem" if enrollment.ca_pem else None,
        "cert_file": "cert.pem" if enrollment.cert_pem else None, "key_file": TLS_KEY if enrollment.cert_pem else None,
        "sign": True if enrollment.must_sign else None,
    })
