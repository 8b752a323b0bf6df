"""Group robots of WeCom, DingTalk and Feishu. They answer HTTP 200 also to what they refuse: the code in their answer is what counts.

Addresses are Apprise's: `wecombot://KEY`, `dingtalk://[SECRET@]TOKEN`, `feishu://TOKEN`. Blocking; runs in the threads of `push`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from hub.notify.channels import Message, SendFailed

WECOM: Final = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={token}"
DINGTALK: Final = "https://oapi.dingtalk.com/robot/send?access_token={token}"
FEISHU: Final = "https://open.feishu.cn/open-apis/bot/v2/hook/{token}"
SCHEMES: Final = frozenset({"wecombot", "dingtalk", "feishu"})
LASTING: Final = frozenset({
    40008, 93000, 93004,  # WeCom: invalid message type, invalid webhook address, the robot was removed
    300001, 300005, 310000, 400013, 400101, 400102,  # DingTalk: no such token, no such robot, keyword or signature or address not allowed, group dissolved, robot stopped
    9499, 19001, 19002, 19021, 19022, 19024,  # Feishu: bad request, wrong parameter, signature, address or keyword not allowed
})
"""Answers after which the same message cannot succeed (the robots' own documents); whatever else (a rate limit above all) is tried again."""
MOST_BYTES: Final = 2_000
"""The longest text all three take (WeCom: 2,048 bytes of UTF-8)."""


class Call(NamedTuple):
    """One request to a robot."""

    url: str
    body: dict[str, Any]


def is_robot(address: str) -> bool:
    """Is this the address of a group robot?"""
    return urlsplit(address).scheme in SCHEMES


def call_of(message: Message, *, now_ms: int) -> Call:
    """The request for a message, in the robot's own form; raises SendFailed for an address without a key."""
    parts = urlsplit(message.address)
    secret, _, token = parts.netloc.rpartition("@")
    token = unquote(token)
    if not token:
        raise SendFailed("通知地址缺少密钥", "the address has no key", permanent=True)
    text = _cut(f"{message.title}\n{message.body}")
    match parts.scheme:
        case "wecombot":
            return Call(WECOM.format(token=quote(token, safe="-_")), {"msgtype": "text", "text": {"content": text}})
        case "dingtalk":
            return Call(DINGTALK.format(token=quote(token, safe="")) + _signed(unquote(secret), now_ms), {"msgtype": "text", "text": {"content": text}})
        case _:
            return Call(FEISHU.format(token=quote(token, safe="-_")), {"msg_type": "text", "content": {"text": text}})


def _signed(secret: str, now_ms: int) -> str:
    """DingTalk's signature: HMAC-SHA-256 over time and secret, where the robot was given one."""
    if not secret:
        return ""
    sign = base64.b64encode(hmac.digest(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256)).decode()
    return f"&timestamp={now_ms}&sign={quote(sign, safe='')}"


def _cut(text: str) -> str:
    """The text within what robots take; its end (where the notice's number stands) is kept."""
    raw = text.encode()
    if len(raw) <= MOST_BYTES:
        return text
    end = raw[-200:].decode(errors="ignore")
    return raw[: MOST_BYTES - len(end.encode()) - 6].decode(errors="ignore") + "\n…\n" + end


def deliver(message: Message, timeout_s: float) -> None:
    """Send one message; raises SendFailed with the robot's own words, permanent where it refused for good."""
    import requests

    call = call_of(message, now_ms=int(time.time() * 1000))
    limit = max(1.0, timeout_s - 1)
    try:
        answer = requests.post(call.url, json=call.body, timeout=(min(10.0, limit), limit), allow_redirects=False)
    except requests.RequestException as error:
        raise SendFailed(f"连不上机器人网关（{type(error).__name__}）", f"the robot's gateway could not be reached ({type(error).__name__})") from None  # nothing else of it: the key stands in its text
    if answer.status_code != 200:
        raise SendFailed(f"HTTP {answer.status_code}", permanent=answer.status_code in (400, 401, 403, 404, 405, 410, 422))
    try:
        said = answer.json()
    except ValueError:
        raise SendFailed("网关应答无法识别", "the gateway's answer cannot be read") from None
    check(said)


def check(said: Any) -> None:
    """Raise SendFailed where the answer of a robot is a refusal."""
    told = said if isinstance(said, dict) else {}
    code = next((told[name] for name in ("errcode", "code", "StatusCode") if name in told), None)
    if code == 0:
        return
    words = str(told.get("errmsg") or told.get("msg") or told.get("StatusMessage") or "")[:120]
    raise SendFailed(f"{code} {words}".strip(), permanent=isinstance(code, int) and code in LASTING)
