"""Secrets made at the first start, in files that only the owner can read. Known defaults are refused at every start."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hub.errors import Rejected, why_en, why_zh
from hub.settings import Settings

KNOWN = frozenset({"", "admin", "password", "changeme", "change-me", "secret", "guest", "tocsin", "public", "emqx", "mosquitto", "postgres",
                   "atakatak", "defaultpass", "123456", "12345678"})
"""Passwords that ship with products of the field, and ours that never will."""


def own_secret(folder: Path, name: str) -> str:
    """The secret of this name, made on first use (256 random bits, mode 0600). Raises Rejected where others can read the file."""
    path = folder / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Rejected("secret_readable", f"密钥文件 {path} 可被他人读取，请执行 chmod 600", f"others can read {path}; chmod 600 it")
    value = path.read_text().strip()
    refuse_known(value, name)
    return value


def refuse_shipped(settings: Settings) -> None:
    """Refuse to start with a password that everybody knows: in the store's URL, in its password file, in the broker's."""
    from sqlalchemy.engine import make_url

    if settings.store_url and (password := make_url(settings.store_url).password) is not None:
        refuse_known(str(password), "store_url")
    if settings.store_url and settings.store_password_file:
        given_secret(settings.store_password_file, "PostgreSQL")
    if settings.broker != "embedded" and settings.broker_password_file:
        given_secret(settings.broker_password_file, "MQTT")


def given_secret(file: str, what: str, en: str = "") -> str:
    """A secret (`what` in Chinese, where it differs `en`) from a file that the operator names; raises Rejected for a missing, empty or known default one."""
    try:
        value = Path(file).read_text().strip()
    except OSError as error:
        raise Rejected("secret_missing", f"无法读取{what}密码文件 {file}：{why_zh(error)}",
                       f"cannot read the file of the {en or what} password: {why_en(error)}") from None
    refuse_known(value, what, en)
    return value


def refuse_known(value: str, what: str, en: str = "") -> None:
    """Raise Rejected `known_secret` for a default that everybody knows, or one shorter than 12 characters."""
    if value.lower() in KNOWN or len(value) < 12:
        raise Rejected("known_secret", f"{what}密码过短或为众所周知的默认值，不予采用；请换成随机密码（至少 12 位）",
                       f"the {en or what} password is short or a known default, and refused; use at least 12 random characters")
