"""The channel `push`: mail, SMS gateways, webhooks and a hundred more by Apprise; WeCom, DingTalk and Feishu robots by `robots`, which reads
their answers.

Apprise blocks, so that it runs in threads of its own, each with a time limit; a gateway that hangs keeps at most its own threads.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qsl, urlencode, urlsplit

from hub.errors import Rejected
from hub.notify import robots
from hub.notify.addresses import check_address, only_away, refuse_near
from hub.notify.channels import Message, SendFailed

TIMEOUT_S = 20.0
"""How long one send may take before it counts as failed (the lease of a notice is 60 s)."""
THREADS = 16
PER_GATEWAY = 3
"""Sends under way to one gateway: one that hangs for its whole time limit leaves the other threads to the others."""
PERMANENT = frozenset({400, 401, 403, 404, 405, 410, 422})
"""Answers of an HTTP gateway after which the same message cannot succeed (RFC 9110, 15.5); 408, 425, 429 and 5xx are temporary."""
PERMANENT_MAIL = re.compile(r"\(5[0-9]{2},")
"""A mail server's lasting refusal (RFC 5321, 4.2.1: 5yz)."""
_STATUS = re.compile(r"error[=:]\s*([0-9]{3})\b")
CAUSES = {"timed out": "超时", "Connection refused": "连接被拒绝", "unexpectedly closed": "连接意外中断", "Name or service not known": "域名无法解析",
          "unreachable": "网络不可达", "certificate verify failed": "证书校验失败"}
"""What the libraries below say of a broken line, and how that reads in Chinese."""
_CAUSES = re.compile("|".join(CAUSES) + r"|\([0-9]{3}, b?'[^']{0,120}'")


class Push:
    """`async with Push() as channel`. `timeout_s` bounds one send, in seconds; `near` are hosts on this machine that it may send to."""

    name = "push"

    def __init__(self, *, timeout_s: float = TIMEOUT_S, threads: int = THREADS, near: Collection[str] = ()) -> None:
        self.timeout_s = timeout_s
        self.near = near
        self._threads = asyncio.Semaphore(threads)
        self._gateways: dict[str, asyncio.Semaphore] = {}

    async def __aenter__(self) -> Push:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to wait for: a thread that a gateway holds up does not hold the process up."""

    def gateway(self, address: str) -> str:
        """Scheme and host of the address (for services that need no host, the scheme)."""
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}"

    async def send(self, message: Message) -> None:
        """Send by Apprise; raises SendFailed, permanent where the address is none or the gateway refused for good."""
        gate = self._gateways.setdefault(self.gateway(message.address), asyncio.Semaphore(PER_GATEWAY))
        try:
            async with asyncio.timeout(self.timeout_s):
                await gate.acquire()
                try:
                    await self._threads.acquire()
                except BaseException:
                    gate.release()
                    raise
        except TimeoutError:
            raise SendFailed("网关繁忙", "the gateway is busy") from None
        try:
            await asyncio.wait_for(asyncio.shield(self._begin(message, gate)), self.timeout_s)
        except TimeoutError:
            raise SendFailed(f"网关 {self.timeout_s:.0f} 秒内无响应", f"the gateway did not answer within {self.timeout_s:.0f} s") from None

    def _begin(self, message: Message, gate: asyncio.Semaphore) -> asyncio.Future[None]:
        """Send in a thread of its own, a daemon so that stopping never waits for a gateway; its places are free once it has really ended."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def ended(error: BaseException | None) -> None:
            gate.release()
            self._threads.release()
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)
            if not done.cancelled():
                done.exception()  # told by now to whoever still waits; nobody may be left

        def work() -> None:
            error: BaseException | None = None
            try:
                deliver(message, self.timeout_s, self.near)
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop has closed: the hub is stopping
                loop.call_soon_threadsafe(ended, error)

        threading.Thread(target=work, name=f"push-{message.id[-12:]}", daemon=True).start()
        return done


def deliver(message: Message, timeout_s: float, near: Collection[str] = ()) -> None:
    """Send one message with Apprise, in the calling thread; raises SendFailed. The notice's id goes along as a header where HTTP carries it."""
    try:
        check_address(message.address)
    except Rejected as error:
        raise SendFailed(error.zh, error.en, permanent=True) from None
    with only_away(near):
        if robots.is_robot(message.address):
            robots.deliver(message, timeout_s)
        else:
            _by_apprise(message, timeout_s, near)


def _by_apprise(message: Message, timeout_s: float, near: Collection[str]) -> None:
    import apprise

    asset = apprise.AppriseAsset(app_id="Tocsin", app_desc="Tocsin", async_mode=False, secure_logging=True, http_redirects=False)
    service = apprise.Apprise.instantiate(_bounded(message.address, message.id, timeout_s), asset=asset, suppress_exceptions=True)
    if service is None:
        raise SendFailed("通知地址无法识别", "the address is not one that can be sent to", permanent=True)
    refuse_near(service, near)
    kind = apprise.NotifyType.WARNING if message.urgent else apprise.NotifyType.INFO
    with _heard() as said:  # the service itself, not Apprise's shared pool of threads, which one hanging gateway could fill
        sent = service.notify(body=message.body, title=message.title, notify_type=kind)
    if not sent:
        raise _failure(said)


def _bounded(address: str, id: str, timeout_s: float) -> str:
    """The address with time limits for connecting and reading, and for webhooks a header with the notice's id."""
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    limit = max(1.0, timeout_s - 1)
    query.setdefault("cto", f"{min(10.0, limit):.1f}")
    query.setdefault("rto", f"{limit:.1f}")
    query.setdefault("format", "text")
    if parts.scheme in ("json", "jsons", "xml", "xmls", "form", "forms"):
        query.setdefault("+X-Notice-Id", id)
    return parts._replace(query=urlencode(query)).geturl()


def _failure(said: list[str]) -> SendFailed:
    text = "\n".join(said)
    status = _STATUS.search(text)
    if status:
        return SendFailed(f"HTTP {status.group(1)}", permanent=int(status.group(1)) in PERMANENT)
    causes = list(dict.fromkeys(_CAUSES.findall(text)))  # nothing else of it: addresses and texts stand in there
    if not causes:
        return SendFailed("发送失败", "not sent")
    return SendFailed("；".join(CAUSES.get(cause, cause) for cause in causes), "; ".join(causes),
                      permanent=any(PERMANENT_MAIL.search(cause) for cause in causes))


class _Ears(logging.Handler):
    """Keeps what Apprise says in one thread: it explains a failure to its log only."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.thread = threading.get_ident()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.said.append(record.getMessage())


@contextmanager
def _heard() -> Iterator[list[str]]:
    ears, logger = _Ears(), logging.getLogger("apprise")
    if logger.getEffectiveLevel() > logging.DEBUG:
        logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(ears)
    try:
        yield ears.said
    finally:
        logger.removeHandler(ears)
