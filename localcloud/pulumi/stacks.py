"""Stacks in the backend of files: made without touching the checkout, brought up, asked for their outputs."""

import difflib
import re
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from localcloud import paths
from localcloud.problem import Problem
from localcloud.pulumi import backend, drift
from localcloud.pulumi.command_line import follow, quietly
from localcloud.pulumi.recovery import recover

# ` +  kubernetes:apps:Deployment web creating (3s) [1/2] Waiting for …`
_STEP: Final = re.compile(r"^ ?[ +~-]{1,3} +(?P<type>\S+:\S+) (?P<name>\S+) (?P<doing>[a-z]+ing\b.*)$")
# `+ 3 created`, `+-1 replaced`: behind two signs there is no room for a blank. In a preview `+ 3 to create`.
_CHANGED: Final = re.compile(r"^ +[+~-]+ *(?P<what>\d+ (?:to )?[a-z]+)$")
_KEPT_LINES: Final = 2000


def require_settings(stack: str, directory: Path = paths.CHECKOUT) -> None:
    """Refuse a stack that the checkout has no settings for: its name is a slip of the pen."""
    known = sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in directory.glob("Pulumi.*.yaml"))
    if stack not in known:
        close = difflib.get_close_matches(stack, known, n=1)
        raise Problem(
            f"There is no stack {stack}: the checkout has no Pulumi.{stack}.yaml. It has {', '.join(known) or 'none'}.",
            f"Did you mean {close[0]}?" if close else "Name one of these, or write the settings of a new one first.",
        )


def ensure_stack(stack: str, environment: Mapping[str, str], directory: Path = paths.CHECKOUT) -> None:
    """Have the stack in the backend.

    It is made in an empty folder beside a copy of Pulumi.yaml: the engine writes the salt of its passphrase there, and
    into the state, where every later command finds it.
    """
    project = directory / "Pulumi.yaml"
    if not project.exists():
        raise Problem(f"There is no Pulumi.yaml in {directory}.", "Run this in a checkout of the project.")
    if backend.state_file(backend.project_name(project), stack).exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, project.name).write_text(project.read_text())
        quietly(["stack", "init", stack, "--no-select"], environment, Path(folder))


def policies(directory: Path = paths.CHECKOUT) -> list[str]:
    """What has previews and updates look at the project's policy pack, if it has one."""
    pack = directory / "policies"
    return [f"--policy-pack={pack}"] if (pack / "PulumiPolicy.yaml").exists() else []


def output(stack: str, name: str, environment: Mapping[str, str], directory: Path = paths.CHECKOUT) -> str:
    """One output of the stack, decrypted if it is secret."""
    state = backend.state_file(backend.project_name(directory / "Pulumi.yaml"), stack)
    given = backend.outputs(state) if state.exists() else {}
    if name not in given:
        raise Problem(
            f"The stack {stack} has no {name}: it isn't up.", "Run `make up`, and `make status` if that fails."
        )
    if isinstance(given[name], str):
        return str(given[name])
    return quietly(["stack", "output", "--show-secrets", "--stack", stack, name], environment, directory).strip()


def up(
    stack: str,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    directory: Path = paths.CHECKOUT,
) -> str:
    """Bring the stack up, completing whatever interrupted update came before, and say in a word what has changed.

    It looks at what is really there first: a cluster that was made anew, or a registry without our images, is filled
    again, and what somebody deleted by hand comes back. What they gave another value is named. The engine's own look,
    which takes seconds, is had only where something is not as it was left.
    """
    recover(stack, environment, progress, directory)
    progress("looking at what is there")
    state = backend.state_file(backend.project_name(directory / "Pulumi.yaml"), stack)
    refresh = [] if drift.as_recorded(state) else ["--refresh"]
    words = ["up", "--yes", "--skip-preview", *refresh, *policies(directory), "--stack", stack]
    return run(f"The update of the stack {stack}", words, environment, progress, directory)


def run(
    what: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    directory: Path = paths.CHECKOUT,
) -> str:
    """Run a command that changes or previews a stack, and say in a word what has changed, or would."""
    lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def hear(line: str) -> None:
        lines.append(line)
        if step := _STEP.match(line):
            progress(f"{step['type'].rpartition(':')[2]} {step['name']}: {step['doing'].strip()}")

    if follow(words, environment, directory, hear) != 0:
        raise Problem(
            f"{what} failed.\n{_reasons(lines)}",
            "Mend what it names and run the same command again: it carries on from where this one stopped.",
        )
    return _summary(lines)


def _reasons(lines: Sequence[str]) -> str:
    """What Pulumi says under `Policies:` and `Diagnostics:`, or all that it said if it never came that far."""
    text = "\n".join(lines)
    found = re.search(r"^(?:Policies|Diagnostics):\n", text, re.MULTILINE)
    if found is None:
        return text.strip()
    said = text[found.end() :]
    return re.split(r"^(?:Outputs|Resources|Duration):", said, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _summary(lines: Sequence[str]) -> str:
    """`3 created, 1 updated`, or that nothing has changed."""
    changed = [match["what"] for line in lines if (match := _CHANGED.match(line))]
    return ", ".join(changed) or "nothing to change"
