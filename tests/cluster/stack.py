"""The stack that the tests in this folder share, and how they speak to it."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud import pulumi

CHECKOUT = Path(__file__).resolve().parents[2]
HOST = "vision-week.localhost"
PORT = 8444  # the edge of the test stack; 8443 is the developer's
PREFIX = "vision-week-test"
NODE_PORT = 30444


class Stack:
    """The test stack: what it runs from, what it gave."""

    def __init__(self, home: Path) -> None:
        self.settings_file = home / "Pulumi.test.yaml"
        self.settings: dict[str, Any] = yaml.safe_load((CHECKOUT / "Pulumi.development.yaml").read_text())
        self._write_settings()

    def set(self, path: str, value: object) -> None:
        """Change one setting: `edge.node_port`, the first part being the key in the stack's file."""
        *parents, last = f"vision-week:{path}".split(".")
        section = self.settings["config"]
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
        self._write_settings()

    def set_secret(self, path: str, value: str) -> None:
        """Change one setting as somebody does who keeps it encrypted."""
        self.pulumi("config", "set", "--secret", "--path", f"vision-week:{path}", stdin=value)
        self.settings = yaml.safe_load(self.settings_file.read_text())

    def unset(self, key: str) -> None:
        """Have one setting as it is by default."""
        del self.settings["config"][f"vision-week:{key}"]
        self._write_settings()

    def ensure(self) -> None:
        """Have the stack in the backend, fit for an update, and the checkout clean: as `make up` does."""
        pulumi.ensure_stack("test", os.environ)
        pulumi.recover("test", {**os.environ, "PULUMI_OPTION_CONFIG_FILE": str(self.settings_file)})

    def pulumi(
        self, *arguments: str, check: bool = True, checkout: Path = CHECKOUT, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` on this stack, from the checkout or from another one."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--stack", "test"],
            cwd=checkout,
            env={**os.environ, "PULUMI_OPTION_CONFIG_FILE": str(self.settings_file)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"pulumi {' '.join(arguments)} exits with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run `kubectl` and give what it printed."""
        done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"kubectl {' '.join(arguments)} exits with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def tried(self, *arguments: str) -> str:
        """What `kubectl` printed, whether it went well or not."""
        return subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False).stdout

    def generation(self) -> int:
        """Of its passwords: the one that it serves by; the first where there is no stack yet."""
        found = self.tried("-n", f"{PREFIX}-data", "get", "configmap", "serving", "-o", "jsonpath={.data.generation}")
        return int(found or 1)

    def objects(self, namespace: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of one kind in one of the stack's namespaces (`app`, `data`, `edge`)."""
        found = self.kubectl("-n", f"{PREFIX}-{namespace}", "get", kind, "-l", selector, "-o", "json")
        items: list[dict[str, Any]] = json.loads(found)["items"]
        return items

    def outputs(self) -> Mapping[str, Any]:
        outputs: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json").stdout)
        return outputs

    def _write_settings(self) -> None:
        self.settings_file.write_text(yaml.safe_dump(self.settings))
