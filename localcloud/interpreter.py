"""The Python that a project asks for in its Pulumi.yaml, and the packages that are installed for it.

`runtime: {name: python, options: {toolchain: pip, virtualenv: .venv}}`: the environment is made and filled from
requirements.txt when it isn't there, as the official language host does.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from localcloud.paths import CHECKOUT
from localcloud.problem import Problem


@dataclass(frozen=True)
class Interpreter:
    """A Python, of a virtual environment or of the machine."""

    executable: Path
    virtualenv: Path | None = None

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment of programs that run on it, without what only we needed."""
        environment = dict(base)
        search = [folder for folder in environment.pop("PYTHONPATH", "").split(os.pathsep) if folder]
        if others := [folder for folder in search if Path(folder) != CHECKOUT]:
            environment["PYTHONPATH"] = os.pathsep.join(others)
        if self.virtualenv:
            environment.pop("PYTHONHOME", None)
            environment["VIRTUAL_ENV"] = str(self.virtualenv)
            environment["PATH"] = os.pathsep.join([str(self.virtualenv / "bin"), environment.get("PATH", os.defpath)])
        return environment

    def site_packages(self) -> list[str]:
        """Where its packages are."""
        if self.virtualenv:
            return [str(folder) for folder in self.virtualenv.glob("lib/python3*/site-packages")]
        code = "import json, sys; print(json.dumps(sys.path))"
        return list(
            json.loads(subprocess.check_output([self.executable, "-c", code], env=self.environment(os.environ)))
        )

    def version(self) -> str:
        """`3.11.2`."""
        said = subprocess.check_output([self.executable, "--version"], text=True)
        return said.removeprefix("Python ").strip()

    def pulumi_packages(self) -> Iterator[Mapping[str, Any]]:
        """The pulumi-plugin.json of each installed package that needs a provider plugin."""
        for folder in self.site_packages():
            for file in sorted(Path(folder).glob("*/pulumi-plugin.json")):
                package = json.loads(file.read_text())
                if package.get("resource"):
                    yield package

    def distributions(self, *, transitive: bool) -> list[tuple[str, str]]:
        """Name and version of what is installed, or only of what nothing else that is installed requires."""
        found = {item.metadata["Name"]: item for item in metadata.distributions(path=self.site_packages())}
        required = {
            requirement.replace("_", "-").lower()
            for item in found.values()
            for requirement in _names(item.requires or ())
        }
        return sorted(
            (name, item.version)
            for name, item in found.items()
            if transitive or name.replace("_", "-").lower() not in required
        )


def of_project(root: Path, options: Mapping[str, Any]) -> Interpreter:
    """The Python that `options` of the project in `root` name. It may not be there yet: see `missing`."""
    toolchain = options.get("toolchain") or "pip"
    if toolchain != "pip":
        raise Problem(
            f"Pulumi.yaml asks for the toolchain {toolchain!r}, the local language host only knows pip.",
            "Write `toolchain: pip` under runtime.options, or install the official Pulumi.",
        )
    name = options.get("virtualenv")
    if not name:
        found = shutil.which(os.environ.get("PULUMI_PYTHON_CMD") or "python3")
        return Interpreter(Path(found or sys.executable))
    folder = root / str(name)
    return Interpreter(folder / "bin" / "python", folder)


def missing(interpreter: Interpreter) -> bool:
    """Whether its virtual environment must be made first."""
    folder = interpreter.virtualenv
    if folder is None or interpreter.executable.exists():
        return False
    if folder.exists() and any(folder.iterdir()):
        raise Problem(
            f"{folder} is the project's virtual environment, but has no bin/python.",
            "Remove it and run the same command again: it is made anew.",
        )
    return True


def installation(interpreter: Interpreter, directory: Path) -> list[list[str]]:
    """The commands that make the environment and put the packages of the program in `directory` there."""
    commands: list[list[str]] = []
    if missing(interpreter):
        commands.append([shutil.which("python3") or sys.executable, "-m", "venv", str(interpreter.virtualenv)])
    pip = [str(interpreter.executable), "-m", "pip", "install", "--disable-pip-version-check"]
    if (directory / "requirements.txt").exists():
        commands.append([*pip, "--requirement", "requirements.txt"])
    elif (directory / "pyproject.toml").exists():
        commands.append([*pip, "--editable", "."])
    return commands


def _names(requirements: list[str] | tuple[str, ...]) -> Iterator[str]:
    """The bare names of `name[extra]>=1; marker`, leaving out what only extras require."""
    for requirement in requirements:
        if "extra ==" not in requirement:
            end = next((i for i, letter in enumerate(requirement) if not (letter.isalnum() or letter in "._-")), None)
            yield requirement[:end]
