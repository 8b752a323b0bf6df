"""Which addresses a notice may go to. Whoever keeps a contact chooses the gateway; nobody makes the hub talk to itself or read a file for them.

`check_address` when a contact is saved, by what it says; `refuse_near` before each send, by where its host leads then; `only_away` while it
sends, by the very address of each connection: a name may lead elsewhere by then.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from hub.domain.data import packaged
from hub.errors import Rejected
from hub.notify.channels import SendFailed


@cache
def _networks() -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in packaged("notice_addresses")["networks"])


def is_near(address: str) -> bool:
    """Is this IP address one of the hub's own machine, or of what only that machine can reach?"""
    ip = ip_address(address.partition("%")[0])
    ip = (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
    return any(ip in network for network in _networks() if network.version == ip.version)


def check_address(address: str) -> None:
    """Refuse an address whose service would act on this machine or read a file of it (`contact_address`)."""
    try:
        parts = urlsplit(address)
        names = {name.lower().lstrip("+-:") for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        raise Rejected("contact_address", "地址格式有误", "the address cannot be read", field="address") from None
    rules = packaged("notice_addresses")
    if parts.scheme.lower() in rules["schemes"]:
        raise Rejected("contact_address", f"{parts.scheme} 只作用于中心主机，不能用作通知地址", f"{parts.scheme} acts on the hub's own machine", field="address")
    if parts.scheme.lower() in rules["reconnecting"]:
        raise Rejected("contact_address", f"{parts.scheme} 会自行重连，不能用作通知地址", f"{parts.scheme} connects again by itself, wherever its name leads then",
                       field="address")
    if refused := sorted(names & set(rules["arguments"])):
        raise Rejected("contact_address", f"通知地址不得带参数 {refused[0]}", f"the address may not have the argument {refused[0]}", field="address")


def refuse_near(service: Any, near: Collection[str]) -> None:
    """Raise SendFailed where an Apprise service would connect to this machine, unless `near` (the setting `notice_near`) names its host.

    Blocks for as long as the name is looked up.
    """
    for host in _hosts(service):
        if host not in near and any(map(is_near, _looked_up(host))):
            raise _leads_here(host)


def _leads_here(host: str) -> SendFailed:
    return SendFailed(f"通知地址指向中心主机自身：{host}（如确为本机网关，见设置 notice_near）",
                      f"the address leads to the hub's own machine: {host} (where a gateway really runs there, see the setting notice_near)", permanent=True)


def _hosts(service: Any) -> Iterator[str]:
    """The hosts that it connects to by the address; a service of a vendor's own (a token in the place of the host) has none."""
    named = any("{host}" in template for template in service.templates)
    for host in (service.host if named else None, getattr(service, "smtp_host", None)):
        if host:
            yield urlsplit(f"//{host}").hostname or host


def _looked_up(host: str) -> Iterator[str]:
    try:
        for *_, where in socket.getaddrinfo(host, None):
            yield str(where[0])
    except OSError:  # then it cannot be sent to either, which the service says itself
        return


_WATCHED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class _Line:
    """What one send may connect to: nothing near but the addresses of `near`."""

    def __init__(self, near: Collection[str]) -> None:
        self.permitted: Final = {address for host in near for address in _looked_up(host)}
        self.refused: list[str] = []

    def permits(self, address: Any) -> bool:
        """May it be connected to? Not where it is a path of this machine, or a name: that would be looked up after the look."""
        if not isinstance(address, tuple) or not isinstance(address[0], str):
            return False
        try:
            return not is_near(address[0]) or address[0] in self.permitted
        except ValueError:
            return False


_lines: dict[int, _Line] = {}
"""Of each thread that is sending."""


@contextmanager
def only_away(near: Collection[str]) -> Iterator[None]:
    """Refuse each connection of the calling thread to this machine, whatever library makes it; a send that failed for it raises SendFailed that says so."""
    _watch()
    line = _lines[threading.get_ident()] = _Line(near)
    try:
        yield
    except (SendFailed, OSError):
        if line.refused:
            raise _leads_here(line.refused[0]) from None
        raise
    finally:
        del _lines[threading.get_ident()]


@cache
def _watch() -> None:
    """Have Python ask before each connection (PEP 578). Such a hook is for the whole process and for ever; elsewhere than in these threads it permits."""
    sys.addaudithook(_before)


def _before(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _WATCHED or (line := _lines.get(threading.get_ident())) is None:
        return
    address = arguments[1]  # None where the socket is connected already
    if address is not None and not line.permits(address):
        line.refused.append(str(address[0] if isinstance(address, tuple) else address))
        raise PermissionError(f"not connected to {line.refused[-1]}")
