"""A Pulumi project of a test's own: the real engine, our language host and plugins, a backend in a temporary folder."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcloud import paths, pulumi

STACK = "test"
_FOREIGN = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN", "PULUMI_STACK", "LOCALCLOUD_BUILD_CONTEXTS")
_PATIENCE = 120  # seconds for one command; the slowest take ten
_PROJECT = f"""\
name: tried
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: {sys.prefix}
"""


@dataclass(frozen=True)
class Result:
    """What a command did. `said` is both outputs, as a person sees them."""

    code: int
    output: str
    said: str


@dataclass
class Project:
    """A project with one stack, `test`.

    state: what `localcloud.paths.state()` is for it.
    environment: what its commands see on top of the test's own.
    """

    directory: Path
    state: Path
    environment: dict[str, str]

    def write(self, program: str, configuration: Mapping[str, str] | None = None) -> None:
        """Let this be the program."""
        (self.directory / "__main__.py").write_text(textwrap.dedent(program))
        if configuration is not None:
            lines = "".join(f"  tried:{name}: {json.dumps(value)}\n" for name, value in configuration.items())
            (self.directory / f"Pulumi.{STACK}.yaml").write_text(f"config:\n{lines}" if lines else "{}\n")

    def pulumi(self, *arguments: str, succeeds: bool | None = True) -> Result:
        """Run `pulumi` and wait. `succeeds` is asserted, unless it is None."""
        with self.start(*arguments) as process:
            output, said = process.communicate(timeout=_PATIENCE)
        result = Result(process.returncode, output, f"{output}{said}")
        if succeeds is not None:
            assert (result.code == 0) is succeeds, (
                f"pulumi {' '.join(arguments)}: exit code {result.code}\n{result.said}"
            )
        return result

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pulumi` in a process group of its own, so that a test can interrupt it as a terminal does."""
        return subprocess.Popen(
            [str(self.home / "bin" / "pulumi"), *arguments, "--non-interactive", "--color=never"],
            cwd=self.directory,
            env={**{name: value for name, value in os.environ.items() if name not in _FOREIGN}, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def up(self, *arguments: str, succeeds: bool | None = True) -> Result:
        """`pulumi up` without the preview."""
        return self.pulumi("up", "--yes", "--skip-preview", f"--stack={STACK}", *arguments, succeeds=succeeds)

    def make_up(self, hear: Callable[[str], None] = lambda _: None) -> str:
        """The update as `make up` runs it; raises `Problem`."""
        with state_in(self.state.parent):
            return pulumi.up(STACK, self.environment, hear, self.directory)

    def preview(self, *arguments: str, succeeds: bool | None = True) -> Result:
        """`pulumi preview`."""
        return self.pulumi("preview", f"--stack={STACK}", *arguments, succeeds=succeeds)

    def refresh(self, *arguments: str, succeeds: bool | None = True) -> Result:
        """`pulumi refresh` without the preview."""
        return self.pulumi("refresh", "--yes", "--skip-preview", f"--stack={STACK}", *arguments, succeeds=succeeds)

    def destroy(self, *arguments: str, succeeds: bool | None = True) -> Result:
        """`pulumi destroy` without the preview."""
        return self.pulumi("destroy", "--yes", "--skip-preview", f"--stack={STACK}", *arguments, succeeds=succeeds)

    def steps(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What a preview would do with each resource that it changes, by name: `op`, `detailedDiff`, `newState` …"""
        preview = json.loads(self.preview("--json", *arguments).output)
        return {step["urn"].rpartition("::")[2]: step for step in preview["steps"] if step["op"] != "same"}

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, decrypted."""
        command = ("stack", "output", f"--stack={STACK}", "--json", "--show-secrets")
        return dict(json.loads(self.pulumi(*command).output))

    def deployment(self) -> dict[str, Any]:
        """The stack's state, as it lies on the disk."""
        return dict(json.loads(self.state_file.read_text())["checkpoint"]["latest"])

    def resource(self, name: str) -> dict[str, Any]:
        """One resource of the state."""
        found = [item for item in self.deployment()["resources"] if item["urn"].endswith(f"::{name}")]
        assert len(found) == 1, f"{len(found)} resources named {name}"
        return dict(found[0])

    def ids(self) -> dict[str, str]:
        """What is in the state: URN -> id."""
        return {item["urn"]: item.get("id", "") for item in self.deployment()["resources"]}

    def unmark(self) -> None:
        """Let the state look as if other plugins than the local ones had written it."""
        state = json.loads(self.state_file.read_text())
        for resource in state["checkpoint"]["latest"]["resources"]:
            resource.get("outputs", {}).pop("__standIn", None)
        self.state_file.write_text(json.dumps(state))

    @property
    def home(self) -> Path:
        """Where Pulumi's plugins are."""
        return self.state / "pulumi-home"

    @property
    def state_file(self) -> Path:
        """Where the state lies."""
        return self.state / "pulumi" / ".pulumi" / "stacks" / "tried" / f"{STACK}.json"

    def add_plugin(self, name: str, version: str, module: Path) -> None:
        """Install a provider plugin of the test's own."""
        place = self.home / "plugins" / f"resource-{name}-v{version}"
        place.mkdir(parents=True)
        script = place / f"pulumi-resource-{name}"
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{paths.CHECKOUT}" exec "{sys.executable}" -P "{module}" "$@"\n')
        script.chmod(0o755)


@contextmanager
def state_in(root: Path) -> Iterator[None]:
    """Let the machine's state be in this folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(root))
        yield


def make_project(root: Path) -> Project:
    """A project in this folder with one empty stack; home, backend and passphrase of its own."""
    directory = root / "project"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text(_PROJECT)
    with state_in(root / "state"):
        pulumi.install(lambda _: None)
        _put_under_test(paths.state() / "pulumi-home")
        project = Project(directory, paths.state(), pulumi.environment())
        pulumi.ensure_stack(STACK, project.environment, directory)
    return project


def _put_under_test(home: Path) -> None:
    """Take plugins from the environment: CONFORMANCE_DOCKER_BUILD_PLUGIN=/path/to/pulumi-resource-docker-build, say.

    So the tests of conformance run against official plugins, unchanged.
    """
    for place in home.glob("plugins/resource-*-v*/pulumi-resource-*"):
        name = place.name.removeprefix("pulumi-resource-")
        if given := os.environ.get(f"CONFORMANCE_{name.upper().replace('-', '_')}_PLUGIN"):
            place.unlink()
            place.symlink_to(Path(given).resolve(strict=True))


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C: the whole process group gets the signal."""
    os.killpg(process.pid, signal.SIGINT)
