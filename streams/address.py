"""Addresses of cameras whose user names and passwords never reach a log, an error or a repr. No I/O but reading a credentials file."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from hub.errors import Rejected, why_en, why_zh

_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY = re.compile(r"(?i)([?&;](?:user(?:name)?|usr|pass(?:word|wd)?|pwd|pw|token|secret|auth(?:basic)?|key|sign(?:ature)?|access_token)=)[^&\s#'\"]*")
SCHEMES = frozenset({"rtsp", "rtsps", "http", "https", "file", "synthetic"})


def mask(text: str) -> str:
    """The text with every `user:password@` and every secret-looking query value in it replaced by `***`."""
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))


class Address:
    """Where a camera's stream is. Only `secret_url()` carries the credentials; printing it any other way masks them."""

    __slots__ = ("_credentials", "_url")

    def __init__(self, url: str, credentials: tuple[str, str] | None = None) -> None:
        if not url.strip() or any(not character.isprintable() for character in url):
            raise Rejected("malformed_url", "视频地址为空或含有控制字符", "the stream's address is empty or has control characters", field="url")
        if "://" not in url and not url.startswith("synthetic:"):
            url = Path(url).absolute().as_uri()
        scheme = url.partition(":")[0].lower()
        if scheme not in SCHEMES:
            raise Rejected("unknown_scheme", f"不支持的视频地址类型 {scheme}", f"cannot read streams of the kind {scheme}", field="url")
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            raise Rejected("malformed_url", "视频地址格式不对", "the stream's address is malformed", field="url") from None
        if scheme in ("rtsp", "rtsps", "http", "https") and not parts.hostname:
            raise Rejected("malformed_url", "视频地址缺少主机名", "the stream's address names no host", field="url")
        self._url = url
        self._credentials = credentials

    @property
    def scheme(self) -> str:
        """rtsp, rtsps, http, https, file or synthetic."""
        return self._url.partition(":")[0].lower()

    @property
    def has_password(self) -> bool:
        """Does the written address itself carry a password (which belongs into a credentials file)?"""
        return self.masked != self._url

    @property
    def masked(self) -> str:
        """The address without secrets, for people and logs."""
        return mask(self._url)

    def secret_url(self) -> str:
        """The address to open, credentials included (percent-encoded)."""
        if self._credentials is None:
            return self._url
        parts = urlsplit(self._url)
        user, password = (quote(word, safe="") for word in self._credentials)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))

    def __repr__(self) -> str:
        return f"Address({self.masked!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (self._url, self._credentials) == (other._url, other._credentials)

    def __hash__(self) -> int:
        return hash((self._url, self._credentials))


def read_credentials(path: Path) -> tuple[str, str]:
    """Read `user:password` from the first line of a file; raises Rejected naming the file where that is not possible."""
    try:
        user, mark, password = path.read_text("utf-8").splitlines()[0].partition(":")
    except OSError as error:
        raise Rejected("credentials_unreadable", f"无法读取凭据文件 {path}：{why_zh(error)}", f"cannot read the credentials file {path}: {why_en(error)}",
                       field="credentials_file") from None
    except (IndexError, UnicodeDecodeError):
        user, mark, password = "", "", ""
    if not mark or not user:
        raise Rejected("credentials_malformed", f"凭据文件 {path} 的第一行应为 用户名:密码",
                       f"the first line of the credentials file {path} must read user:password", field="credentials_file")
    return user, password
