"""Which Pulumi is used, and where it finds its plugins, its backend and the passphrase of its stacks.

An official `pulumi` on PATH is used as it is, from the user's own home, if it can get the plugins that this project's
packages ask for. Otherwise ours, built from source, in a home of its own with the plugins of `localcloud.plugins`.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from localcloud import files, paths, toolchain
from localcloud.interpreter import Interpreter
from localcloud.problem import Problem
from localcloud.pulumi import backend

# Plugin -> the module that stands in for it. What the project's packages need beyond these can't be had here.
_STAND_INS: Final[Mapping[str, str]] = {
    "docker": "localcloud.plugins.docker",
    "docker-build": "localcloud.plugins.docker_build",
    "gcp": "localcloud.plugins.gcp",
    "kubernetes": "localcloud.plugins.kubernetes",
    "random": "localcloud.plugins.random",
    "tls": "localcloud.plugins.tls",
}
# By their paths, not as modules: importing their packages would take longer than all that they do.
_SHIM: Final = "localcloud/pulumi/command.py"
_START: Final = "localcloud/plugins/start.py"
_DOWNLOAD_TIME: Final = 120  # seconds for one official plugin; the largest has 60 MB


@dataclass(frozen=True)
class Plugin:
    """One plugin that an installed package asks for."""

    name: str
    version: str


def environment() -> dict[str, str]:
    """What `pulumi` needs to work on the local cloud's stacks, and PATH with the command first."""
    variables = {
        "PULUMI_BACKEND_URL": f"file://{paths.state() / 'pulumi'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.state() / "passphrase"),
        # The salt is in the state; see `localcloud.pulumi.command` for why it isn't in the checkout.
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Engine, program and plugins speak by loopback; gRPC would send that to a proxy of the environment's.
        "no_grpc_proxy": "127.0.0.1,localhost",
        "PATH": os.pathsep.join([str(_home() / "bin"), os.environ.get("PATH", os.defpath)]),
    }
    if _official_choice() is None:
        variables |= {
            "PULUMI_HOME": str(_home()),
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
    return variables


def foreign(variables: Iterable[str]) -> list[str]:
    """Which of these variables must not be there: settings of the person's other stacks, which would win over ours.

    PULUMI_HOME may: an official `pulumi` is used with the plugins that the person has for it.
    """
    return sorted(name for name in variables if name.startswith("PULUMI_") and name != "PULUMI_HOME")


def complete(environment: Mapping[str, str]) -> dict[str, str]:
    """All variables of a command that works on the local cloud's stacks: the person's own, and `environment`."""
    others = set(foreign(os.environ))
    return {**{name: value for name, value in os.environ.items() if name not in others}, **environment}


def command() -> Path:
    """The `pulumi` to run."""
    return _home() / "bin" / "pulumi"


def install(progress: Callable[[str], None]) -> None:
    """Have the command, its plugins and the passphrase in place. Nothing is done twice."""
    for folder in (_home() / "bin", paths.state() / "pulumi"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _make_passphrase(paths.state() / "passphrase")
    official = _choose(progress)
    if official is None:
        progress("installing the local plugins")
        _forgo_logs(_home() / "logs")
    _write_commands(official)


def mend() -> None:
    """Have the commands run from this checkout if the one that installed them is gone, or its Python."""
    python, shim = [word for word in shlex.split(command().read_text()) if word.startswith("/")][:2]
    if not (Path(python).exists() and Path(shim).exists()):
        _write_commands(_official_choice())


def required_plugins() -> Iterator[Plugin]:
    """The plugins that the packages in this checkout's environment ask for."""
    for package in Interpreter(Path(sys.executable), Path(sys.prefix)).pulumi_packages():
        yield Plugin(package["name"], package["version"])


def _home() -> Path:
    return paths.state() / "pulumi-home"


def _make_passphrase(file: Path) -> None:
    if not file.exists():
        if stacks := [state.stem for state in backend.folder().glob(".pulumi/stacks/*/*.json")]:
            raise Problem(
                f"{file} is gone, and with it the passphrase of the stacks {', '.join(sorted(stacks))}.",
                "Put it back from a copy, or start anew with `make down` and `make up`.",
            )
        files.write(file, secrets.token_urlsafe(32), mode=0o600)


def _write_commands(official: Path | None) -> None:
    if official is None:
        _install_plugins(_home() / "plugins")
    real = official or toolchain.binary("pulumi")
    _write_script(command(), "-S", str(paths.CHECKOUT / _SHIM), str(real))


def _install_plugins(folder: Path) -> None:
    version = metadata.version("pulumi")
    _write_script(folder / f"language-python-v{version}" / "pulumi-language-python", "-m", "localcloud.language_host")
    for plugin in required_plugins():
        if module := _STAND_INS.get(plugin.name):
            place = folder / f"resource-{plugin.name}-v{plugin.version}" / f"pulumi-resource-{plugin.name}"
            _write_script(place, "-S", str(paths.CHECKOUT / _START), module)


def _forgo_logs(folder: Path) -> None:
    """Have no log of each command: every value of every resource in it took a quarter of a preview's time.

    The engine has no switch for its logs, but does without them where their folder can't be made.
    """
    if not folder.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_text("While this file is in the way of a folder, `pulumi` keeps no log of each command.\n")


def _write_script(file: Path, *words: str) -> None:
    """A command that runs a part of ours: on our Python, from this checkout, whatever the folder it is run in."""
    line = " ".join(shlex.quote(word) for word in (sys.executable, "-P", *words))
    search = f'PYTHONPATH={shlex.quote(str(paths.CHECKOUT))}"${{PYTHONPATH:+:$PYTHONPATH}}"'
    text = f'#!/bin/sh\n{search} exec {line} "$@"\n'
    if file.exists() and file.read_text() == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, text, mode=0o755)


# The official one.


def _choose(progress: Callable[[str], None]) -> Path | None:
    """The official command, if there is one and it gets its plugins. The answer is kept as long as the state is."""
    found = _on_path()
    kept = _choice_file()
    if _choice().get("found") != str(found):
        usable = found is not None and _gets_plugins(found, progress)
        files.write(kept, json.dumps({"found": str(found), "usable": usable}))
    return _official_choice()


def _official_choice() -> Path | None:
    choice = _choice()
    return Path(choice["found"]) if choice.get("usable") else None


def _choice() -> dict[str, Any]:
    try:
        return dict(json.loads(_choice_file().read_text()))
    except (FileNotFoundError, ValueError):  # not made yet, or not to its end
        return {}


def _choice_file() -> Path:
    return _home() / "official.json"


def _on_path() -> Path | None:
    """The first `pulumi` on PATH that is none of ours."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which("pulumi", path=folder)
        if found and not _is_ours(Path(found)):
            return Path(found)
    return None


def _is_ours(found: Path) -> bool:
    if found.resolve().is_relative_to(paths.cache()):
        return True
    with found.open("rb") as file:
        return _SHIM.encode() in file.read(4096)


def _gets_plugins(official: Path, progress: Callable[[str], None]) -> bool:
    for plugin in required_plugins():
        progress(f"asking the official pulumi for its {plugin.name} plugin")
        words = [str(official), "plugin", "install", "resource", plugin.name, plugin.version]
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=_DOWNLOAD_TIME)
        except (OSError, subprocess.SubprocessError):
            return False
    return True
