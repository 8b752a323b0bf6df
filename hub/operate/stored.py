"""The store of a hub that there is already, for commands beside it: where somebody named the wrong folder nothing is made, and the folder is named."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url

from hub.errors import Rejected
from hub.settings import Settings
from hub.store import Store


def refuse_missing(url: str) -> None:
    """Raise Rejected `no_store` where the URL names a file of SQLite that does not exist; of a server only opening tells."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not (parsed.database and Path(parsed.database).is_file()):
        raise Rejected("no_store", f"没有中心的数据库 {parsed.database}：请用 --data-dir 指明数据目录（PostgreSQL 用 TOCSIN_STORE_URL 或 --settings）；新中心由 tocsin up 建立",
                       f"there is no hub's store {parsed.database}: name its folder with --data-dir (its PostgreSQL with TOCSIN_STORE_URL or --settings); `tocsin up` makes a new hub", field="data_dir")


def stored(settings: Settings) -> Store:
    """The store of these settings, to be opened. Raises Rejected `no_store`."""
    refuse_missing(settings.database_url)
    return Store(settings.database_url)
