"""The `pulumi` of the local cloud: the real one, with the stack's configuration where it may be written to.

The engine writes the salt of a stack's passphrase into Pulumi.<stack>.yaml at every command, although it is in the
state as well. The passphrase belongs to one machine, the file to the repository: so the command gets a copy of the file
with the salt in it, made anew each time, and the checkout stays clean. What `pulumi config` changes goes back to the
original.

Only the standard library and one small file of ours are needed, to start quickly: this runs before each `pulumi`.
"""

# ruff: noqa: S606  it becomes the real command, given its own arguments

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud import files

_NAME = re.compile(r"^name:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)
_OWN_SECRETS = re.compile(r"^(encryptionsalt|secretsprovider|encryptedkey):", re.MULTILINE)
_SALT_LINE = re.compile(r"^encryptionsalt:.*\n?", re.MULTILINE)
_SALT = re.compile(r'"salt":\s*"(v1:[^"]+)"')


def main(arguments: Sequence[str]) -> int:
    """Run the real pulumi, `arguments[0]`, with the others."""
    pulumi, *rest = arguments
    environment = without_other_passphrases(os.environ)
    project = _project(Path(_value(rest, "--cwd", "-C") or ".").absolute())
    stack = project and (_value(rest, "--stack", "-s") or _selected(project, environment))
    if not project or not stack or "PULUMI_OPTION_CONFIG_FILE" in environment or _value(rest, "--config-file"):
        os.execve(pulumi, [pulumi, *rest], environment)
    original = project.with_name(f"Pulumi.{stack.rpartition('/')[2]}.yaml")
    copy = copy_with_salt(original, project, environment)
    if copy is None:
        os.execve(pulumi, [pulumi, *rest], environment)
    environment["PULUMI_OPTION_CONFIG_FILE"] = str(copy)
    if next((word for word in rest if not word.startswith("-")), "") != "config":
        os.execve(pulumi, [pulumi, *rest], environment)
    before = copy.read_text()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the child decides; it is in the same process group
    code = subprocess.run([pulumi, *rest], env=environment, check=False).returncode
    if (after := copy.read_text()) != before:
        mode = stat.S_IMODE(original.stat().st_mode) if original.exists() else 0o644
        files.write(original.resolve(), _SALT_LINE.sub("", after), mode)
    return code


def without_other_passphrases(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without a passphrase in clear, which would win over the one that belongs to the backend."""
    backend = environment.get("PULUMI_BACKEND_URL", "").removeprefix("file://")
    kept = environment.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    ours = bool(backend and kept) and Path(backend).parent == Path(kept or "").parent
    return {name: value for name, value in environment.items() if not ours or name != "PULUMI_CONFIG_PASSPHRASE"}


def copy_with_salt(original: Path, project: Path, environment: Mapping[str, str]) -> Path | None:
    """A copy of the stack's configuration that has the salt; None if it has its own or the state knows none."""
    text = original.read_text() if original.exists() else ""
    name = _NAME.search(project.read_text())
    stack = original.name.removeprefix("Pulumi.").removesuffix(".yaml")
    address = environment.get("PULUMI_BACKEND_URL", "")
    if _OWN_SECRETS.search(text) or not name or not address.startswith("file://"):
        return None
    backend = Path(address.removeprefix("file://"))
    state = backend / ".pulumi" / "stacks" / name[1] / f"{stack}.json"
    salt = _SALT.search(state.read_text()) if state.exists() else None
    if salt is None:
        return None
    copy = Path(backend, "configuration", hashlib.sha256(str(original).encode()).hexdigest()[:16], original.name)
    copy.parent.mkdir(parents=True, exist_ok=True)
    new = copy.with_name(f".{copy.name}.{os.getpid()}")
    new.write_text(f"{text.rstrip()}\nencryptionsalt: {salt[1]}\n".lstrip())
    new.replace(copy)
    return copy


def _value(arguments: Sequence[str], *names: str) -> str | None:
    """The value of an option, written `--name value`, `--name=value` or `-n value`."""
    for index, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in names:
            return value if equals else next(iter(arguments[index + 1 :]), None)
    return None


def _project(folder: Path) -> Path | None:
    """The Pulumi.yaml that governs a folder."""
    return next((file for place in (folder, *folder.parents) if (file := place / "Pulumi.yaml").exists()), None)


def _selected(project: Path, environment: Mapping[str, str]) -> str | None:
    """The stack that `pulumi stack select` has chosen for this checkout, or PULUMI_STACK."""
    if stack := environment.get("PULUMI_STACK"):
        return stack
    name = _NAME.search(project.read_text())
    if not name:
        return None
    home = environment.get("PULUMI_HOME") or Path.home() / ".pulumi"
    digest = hashlib.sha1(str(project).encode(), usedforsecurity=False).hexdigest()
    file = Path(home, "workspaces", f"{name[1]}-{digest}-workspace.json")
    if not file.exists():
        return None
    settings = json.loads(file.read_text())
    selected: Mapping[str, str] = settings.get("stacks") or {}
    return selected.get(environment.get("PULUMI_BACKEND_URL", "")) or settings.get("stack")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
