"""A file of several agents' credentials for one process: simulation, the demo district and drills. Owner-readable only, like any secret."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from agents.enroll import Broker
from agents.settings import AgentSettings, read_secret
from hub.errors import Rejected


class Credential(Struct, frozen=True, kw_only=True):
    """One agent: its id (also its MQTT user name), password, department, and what it is called."""

    agent_id: str
    password: str | None = None
    department: str = ""
    name: str = ""


class Credentials(Struct, frozen=True, kw_only=True):
    """A broker and the agents that may speak there. JSON: {"hub_id", "hub_url", "mqtt": {"host", "port", "tls"}, "ca_file", "agents": […]}."""

    agents: tuple[Credential, ...]
    mqtt: Broker
    hub_id: str = "district"
    hub_url: str = "http://127.0.0.1:8800"
    ca_file: str | None = None

    def settings(self, one: Credential) -> AgentSettings:
        """The settings of one of these agents; its password is handed over beside them and stands in no file of its own."""
        return AgentSettings(
            agent_id=one.agent_id, department=one.department, name=one.name, hub_id=self.hub_id, hub_url=self.hub_url,
            mqtt_host=self.mqtt.host, mqtt_port=self.mqtt.port, tls=self.mqtt.tls, password_file=None, ca_file=self.ca_file,
        )

    def of_department(self, *departments: str) -> Credential | None:
        """The first agent of the first of these departments that has one."""
        for department in departments:
            for one in self.agents:
                if one.department == department:
                    return one
        return None


def load_credentials(path: Path) -> Credentials:
    """Read such a file; raises Rejected where it is exposed, malformed or empty."""
    if not path.exists():
        raise Rejected("no_credentials", f"没有凭据文件 {path}；演示区的由 make run（tocsin up --demo）写在 DATA/demo/agents.json",
                       f"there is no credentials' file {path}; that of the demo district is written by make run (tocsin up --demo): DATA/demo/agents.json")
    try:
        credentials = msgspec.json.decode(read_secret(path).encode(), type=Credentials)
    except msgspec.DecodeError as error:
        raise Rejected("wrong_credentials", f"凭据文件 {path} 有误：{error}", f"the credentials in {path} are wrong: {error}") from None
    if not credentials.agents:
        raise Rejected("wrong_credentials", f"凭据文件 {path} 中没有终端", f"there are no agents in {path}")
    return credentials
