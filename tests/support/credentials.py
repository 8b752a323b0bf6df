"""A file of agents' credentials and the Mosquitto lines that let exactly these in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from agents.credentials import Credentials, load_credentials
from agents.settings import write_private


def mosquitto_accounts(folder: Path, agents: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Write a password file for (user, password) pairs, and an ACL by pattern; gives the configuration lines."""
    passwords = folder / "passwords"
    passwords.write_text("".join(f"{name}:{password}\n" for name, password in agents), encoding="utf-8")
    passwords.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    acl = folder / "acl"
    acl.write_text(
        "user hub\ntopic readwrite tocsin/v1/#\npattern write tocsin/v1/district/agents/%u/up/#\npattern read tocsin/v1/district/agents/%u/down/#\n",
        encoding="utf-8",
    )
    acl.chmod(0o600)
    return "allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"


def credentials_file(folder: Path, port: int, agents: Sequence[tuple[str, str, str]]) -> Credentials:
    """Write (agent id, password, department) as a credentials' file and read it back."""
    path = folder / "credentials.json"
    body = {
        "hub_id": "district", "mqtt": {"host": "127.0.0.1", "port": port, "tls": False},
        "agents": [{"agent_id": one, "password": password, "department": department} for one, password, department in agents],
    }
    write_private(path, json.dumps(body))
    return load_credentials(path)
