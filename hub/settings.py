"""Every setting of the hub, with its default, read from a TOML file, the environment (`TOCSIN_…`) and the command line, in that order.

A secret is never a setting: it is made at the first start in the data folder, or named by a path (`…_file`).
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from hub.errors import Rejected, why_en, why_zh
from hub.ids import SLUG, exactly
from hub.wire import explain

Port = Annotated[int, Meta(ge=0, le=65535)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one hub process. Times are in seconds, sizes in bytes."""

    hub_id: Annotated[str, Meta(pattern=exactly(SLUG.pattern))] = "district"
    """The hub's id in every topic."""
    hub_name: str = "赣榆区突发事件信息共享中心"
    """The name on the screens and documents."""
    data_dir: str = "var"
    """Where the store's file, secrets, recordings and attachments stand."""
    store_url: str = ""
    """`sqlite:///FILE` or `postgresql://…`; empty: `tocsin.db` in the data folder."""
    store_password_file: str = ""
    """A file with the PostgreSQL password, put into `store_url`."""
    web_host: str = "127.0.0.1"
    """The address the web listens on."""
    web_port: Port = 8800
    """The port the web listens on (0: any free one)."""
    health_host: str = "127.0.0.1"
    """The address of `/healthz`, `/readyz` and `/metrics` of a process without web (`--only ingest`, `--only respond`)."""
    health_port: Port = 0
    """Its port (0: none; the web has them on its own)."""
    public_url: str = ""
    """How people reach the hub, in links of notices; empty: from host and port."""
    notice_near: str = ""
    """Hosts on this very machine that notices may go to, with commas between (an SMS gateway's `127.0.0.1`); nothing else on it is sent to."""
    tls_cert_file: str = ""
    """A certificate chain (PEM) for HTTPS; empty: HTTP."""
    tls_key_file: str = ""
    """Its private key (PEM)."""
    broker: str = "embedded"
    """`embedded`, or the URL of an external broker: `mqtt://HOST:PORT`, `mqtts://HOST:PORT`."""
    agents_broker: str = ""
    """Where agents find an external broker, `mqtt://HOST:PORT` or `mqtts://HOST:PORT`: they are told so at enrolment (empty: where the hub finds it)."""
    broker_host: str = "127.0.0.1"
    """The address the embedded broker listens on."""
    broker_port: Port = 1883
    """The port the embedded broker listens on (0: any free one)."""
    broker_tls_port: Port = 0
    """The embedded broker's TLS port (0: none)."""
    broker_tls_client_certs: bool = False
    """Does the TLS port of the embedded broker ask every agent for a certificate of the hub's CA?"""
    broker_user: str = "hub"
    """The hub's user name at an external broker."""
    broker_password_file: str = ""
    """A file with the hub's password at an external broker."""
    broker_ca_file: str = ""
    """The CA that an external broker's certificate is checked against."""
    ingest_workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """How many ingest sessions share the load (above 1: an external broker and `$share`)."""
    ingest_client: str = ""
    """The client id (and share) of this ingest process at an external broker; empty: `hub`. Processes that share the load need one each."""
    batch_reports: Annotated[int, Meta(ge=1, le=10_000)] = 500
    """The most reports that one transaction stores."""
    queue_reports: Annotated[int, Meta(ge=10, le=1_000_000)] = 5_000
    """The most reports that wait in memory; beyond it the broker waits (manual acknowledgement bounds what is under way)."""
    quota_per_minute: Annotated[int, Meta(ge=1)] = 600
    """Reports a minute that an agent may send before it has to wait its turn (burst: one minute's worth)."""
    local_zone: str = "Asia/Shanghai"
    """The zone of days, receipt numbers and deadlines."""
    session_idle_s: Annotated[int, Meta(ge=60)] = 43_200
    """How long an idle session stays signed in (12 h: one duty shift)."""
    session_max_s: Annotated[int, Meta(ge=60)] = 604_800
    """How long any session lasts (7 days)."""
    attachment_max_bytes: Annotated[int, Meta(ge=1)] = 2_147_483_648
    """The largest attachment."""
    recording_quota_bytes: Annotated[int, Meta(ge=1)] = 53_687_091_200
    """The space that recordings may take before the oldest that are no evidence go."""
    recording_days: Annotated[int, Meta(ge=1)] = 30
    """How long recordings are kept (国务院令799 第17条: not under 30 days)."""
    audit_head_file: str = ""
    """A further file (on another machine's share, or write-once) that gets each daily signed head of the chain; empty: none."""
    audit_head_url: str = ""
    """Another system that gets each daily signed head by POST; empty: none."""
    audit_days: Annotated[int, Meta(ge=180)] = 400
    """How long the audit trail is kept (not under 180 days)."""
    oidc_issuer: str = ""
    """The issuer of an OpenID Connect provider that people may sign in by (`https://…`); empty: local accounts alone."""
    oidc_client_id: str = ""
    """The hub's client id at the provider."""
    oidc_client_secret_file: str = ""
    """A file with the hub's client secret at the provider."""
    tile_url: str = ""
    """A raster tile source for the map, `https://…/{z}/{x}/{y}.png`; empty: the bundled outline."""
    demo: bool = False
    """Load the demo district at the first start."""
    log_json: bool = False
    """Log lines as JSON."""

    @property
    def near_hosts(self) -> frozenset[str]:
        """`notice_near` as names."""
        return frozenset(host for name in self.notice_near.split(",") if (host := name.strip()))

    @property
    def data_path(self) -> Path:
        """`data_dir` as a path."""
        return Path(self.data_dir)

    @property
    def database_url(self) -> str:
        """The store's URL, with the password from its file."""
        if not self.store_url:
            return f"sqlite+aiosqlite:///{self.data_path.absolute() / 'tocsin.db'}"
        if not self.store_password_file:
            return self.store_url
        from sqlalchemy.engine import make_url

        password = Path(self.store_password_file).read_text().strip()
        return make_url(self.store_url).set(password=password).render_as_string(hide_password=False)


def load_settings(file: Path | None = None, environment: dict[str, str] | None = None, **given: Any) -> Settings:
    """Read the settings: defaults, then the TOML `file`, then `TOCSIN_*` variables, then `given` (None means not given).

    Raises Rejected naming the setting that is wrong.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values.update(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Rejected("settings", f"无法读取设置文件 {file}：{why_zh(error)}", f"cannot read the settings file {file}: {why_en(error)}") from None
    names = {f.name for f in msgspec.structs.fields(Settings)}
    for name, value in (os.environ if environment is None else environment).items():
        if name.startswith("TOCSIN_") and (key := name.removeprefix("TOCSIN_").lower()) in names:
            values[key] = value
    values.update({name: value for name, value in given.items() if value is not None})
    try:
        settings = msgspec.convert(values, Settings, strict=False)
        ZoneInfo(settings.local_zone)
    except msgspec.ValidationError as error:
        wrong = explain(error)
        raise Rejected("settings", f"设置有误：{wrong.zh}", f"a setting is wrong: {error}", field=wrong.field) from None
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Rejected("settings", f"没有这个时区：{error}", f"no such time zone: {error}", field="local_zone") from None
    return settings
