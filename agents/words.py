"""The language of the agent's command line: Chinese or English, by `TOCSIN_LANG`, else by the system's language."""

from __future__ import annotations

import os
from collections.abc import Mapping

from agents.outbox import State

STATES = {
    State.QUEUED: ("待发送", "queued"),
    State.SENT: ("已发出，待回执", "sent, no receipt yet"),
    State.STORED: ("中心已入库", "stored by the hub"),
    State.DUPLICATE: ("中心早已入库", "stored before"),
    State.REJECTED: ("中心退回", "rejected by the hub"),
}


def is_chinese(environ: Mapping[str, str] | None = None) -> bool:
    """Chinese unless the environment names another language."""
    environ = os.environ if environ is None else environ
    named = environ.get("TOCSIN_LANG") or environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return named.lower().startswith("zh") or named in ("", "C", "C.UTF-8", "POSIX")


def say(zh: str, en: str) -> str:
    """One of two texts, by the language in force."""
    return zh if is_chinese() else en


def state_word(state: State) -> str:
    """A state of the outbox in words."""
    return say(*STATES[state])
