"""`tocsin up --tls`: settings with the certificate of the hub's own CA, which is made at the first use."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from hub.operate.ca import local_hosts, web_certificate
from hub.settings import Settings

MQTTS_PORT = 8883


def with_tls(settings: Settings) -> Settings:
    """The settings with a certificate for the web and the broker's TLS port; one that the operator named himself is left alone."""
    if settings.tls_cert_file:
        return settings
    settings.data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    named = urlsplit(settings.public_url).hostname or ""
    hosts = list(dict.fromkeys([*([named] if named else []), *local_hosts(settings.web_host)]))
    certificate, key = web_certificate(settings.data_path, hosts, datetime.now(UTC))
    port = settings.broker_tls_port or (MQTTS_PORT if settings.broker == "embedded" else 0)
    return msgspec.structs.replace(settings, tls_cert_file=certificate, tls_key_file=key, broker_tls_port=port)
