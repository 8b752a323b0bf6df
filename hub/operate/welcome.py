"""Says where the hub is, and prints the one-time sign-in link of a first start. No default password exists."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hub.store.accounts import first_start_link

if TYPE_CHECKING:
    from hub.app import Running


async def announce(hub: Running) -> None:
    """Print the address, and the link while nobody has an account yet."""
    services = hub.services
    if hub.web_url:
        async with services.store.read() as conn:
            policy = (await services.policies.read(conn)).access
        base = services.settings.public_url or hub.web_url
        token = await first_start_link(services.store, policy)
        print(f"\nTocsin {services.settings.hub_name}\n  {base}/", flush=True)
        if token:
            print(f"\n  首次登录（仅此一次，24 小时内有效）/ first sign-in (once, within 24 hours):\n  {base}/welcome/{token}\n", flush=True)
    if hub.mqtt_port:
        tls = f" · TLS {services.settings.broker_tls_port}" if services.settings.broker_tls_port else ""
        print(f"  MQTT {services.settings.broker_host}:{hub.mqtt_port}{tls}", flush=True)
    sys.stdout.flush()
