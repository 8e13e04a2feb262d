"""A stack of Google Cloud from an empty project to its removal, before there is a project: the program as it is.

Its stack file is taken with a short list of changes, which is printed. What a stack promotes is built first, by the
stack that builds it. The first step that fails ends the rehearsal. The report says of every part whether it was
real, a stand-in, simulated, or is unverified.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from localcloud import files, paths, pulumi
from localcloud.alone import alone
from localcloud.display import say, step
from localcloud.problem import Problem
from localcloud.pulumi.command_line import quietly
from localcloud.rehearsal.report import Done, written
from localcloud.rehearsal.surroundings import Project, surroundings

_PROGRAM: Final = "vision-week"
# A machine that costs more, and can't be had by changing the one that is there.
_OTHER_MACHINE: Final = "n2-standard-8"
_NO_DIGESTS: Final = "other people's registries, which have the digests, are not asked here"

Settings = dict[str, Any]


@dataclass(frozen=True)
class Override:
    """A setting that is another one than in the stack file. why: what can't be had here."""

    path: str
    value: Any
    why: str

    def __str__(self) -> str:
        return f"{_PROGRAM}:{self.path} = {self.value}: {self.why}"


@dataclass(frozen=True)
class Stack:
    """A stack that is rehearsed. file: its settings with the overrides, in a folder of the rehearsal's own."""

    name: str
    file: Path
    environment: Mapping[str, str]
    done: list[Done]

    def set(self, path: str, value: Any) -> None:
        """Change a setting."""
        content = yaml.safe_load(self.file.read_text())
        first, *others = path.split(".")
        *parents, last = f"{_PROGRAM}:{first}", *others
        place = content["config"]
        for each in parents:
            place = place.setdefault(each, {})
        place[last] = value
        files.write(self.file, yaml.safe_dump(content))

    def hide(self, path: str, value: str) -> None:
        """Change a setting that must not stand in the file in clear."""
        words = ["config", "set", "--secret", "--path", f"{_PROGRAM}:{path}", value, "--stack", self.name]
        quietly(words, self.environment, paths.CHECKOUT)

    def run(self, title: str, *words: str) -> None:
        """Run `pulumi`."""
        started = time.monotonic()
        with step(f"{self.name}: {title}") as progress:
            command = [*words, "--stack", self.name]
            said = pulumi.run(f"{title} ({self.name})", command, self.environment, progress)
        self.done.append(Done(self.name, title, said, time.monotonic() - started))

    def update(self, title: str) -> None:
        """`pulumi up`, after which a preview is empty."""
        self.run(title, "up", "--yes", "--skip-preview", *pulumi.policies())
        self.run("a second preview is empty", "preview", "--expect-no-changes", *pulumi.policies())


def rehearse(name: str, report: Path, *, short: bool = False) -> None:
    """Rehearse a stack; the report is written when all went well. short: until it is up, and no further."""
    settings = {each: _settings(each) for each in (*_builders(name), name)}
    overrides = {each: list(_overrides(settings[each])) for each in settings}
    for each, changed in overrides.items():
        say(f"{each}: the program and Pulumi.{each}.yaml as they are, but for")
        for override in changed:
            say(f"  {override}")
    done: list[Done] = []
    projects = [_project(each) for each in settings.values()]
    with (
        alone(paths.LOCKS / "rehearsal", lambda: say("Waiting for another rehearsal on this machine …")),
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        surroundings(Path(folder), projects) as environment,
    ):
        for each, changed in overrides.items():
            stack = _prepared(each, changed, Path(folder), environment, done)
            if each == name:
                _live(stack, short=short)
            else:
                _build(stack)
    files.write(report, written(name, {each: list(map(str, changed)) for each, changed in overrides.items()}, done))


def _build(stack: Stack) -> None:
    """What another stack promotes from this one: its registry, and the release in it."""
    words = ("--exclude=**kubernetes:**", "--exclude-dependents")
    stack.run("the release, and what is not in its cluster", "up", "--yes", "--skip-preview", *words)


def _live(stack: Stack, *, short: bool) -> None:
    stack.run("a first preview of everything", "preview", *pulumi.policies())
    stack.update("up, from an empty project")
    if short:
        return
    stack.set("cluster.apps.machine", _OTHER_MACHINE)
    stack.update(f"the pool apps on other machines, {_OTHER_MACHINE}")
    # As docs/google-cloud.md has it.
    stack.set("protect", False)
    stack.run("without protection", "up", "--yes", "--skip-preview", *pulumi.policies())
    stack.run("destroy", "destroy", "--yes", "--skip-preview")


def _prepared(
    name: str, changed: Sequence[Override], folder: Path, environment: Mapping[str, str], done: list[Done]
) -> Stack:
    file = folder / f"Pulumi.{name}.yaml"
    file.write_text((paths.CHECKOUT / file.name).read_text())
    stack = Stack(name, file, {**environment, "PULUMI_OPTION_CONFIG_FILE": str(file)}, done)
    pulumi.ensure_stack(name, environment)
    for override in changed:
        change: Callable[[str, Any], None] = stack.hide if override.path.startswith("webhooks.") else stack.set
        change(override.path, override.value)
    return stack


def _settings(name: str) -> Settings:
    pulumi.require_settings(name)
    config = yaml.safe_load((paths.CHECKOUT / f"Pulumi.{name}.yaml").read_text())["config"]
    settings = {key.removeprefix(f"{_PROGRAM}:"): value for key, value in config.items()}
    if not isinstance(settings["cluster"], dict) or settings["cluster"].get("flavour") != "gke":
        raise Problem(
            f"The stack {name} is not on Google Cloud, so there is nothing to rehearse.",
            "`make up` brings the development stack up; `make rehearse STACK=production` rehearses production.",
        )
    return settings


def _project(settings: Settings) -> Project:
    return Project(settings["cluster"]["project"], settings["cluster"]["project_number"])


def _builders(name: str) -> list[str]:
    """The stack that builds what this one promotes, if it does."""
    wanted = _settings(name)["images"].get("promoted_from")
    if wanted is None:
        return []
    for file in sorted(paths.CHECKOUT.glob("Pulumi.*.yaml")):
        other = yaml.safe_load(file.read_text())["config"]
        if other[f"{_PROGRAM}:images"]["registry"] == wanted:
            return [file.name.removeprefix("Pulumi.").removesuffix(".yaml")]
    raise Problem(
        f"The stack {name} promotes from {wanted}, and no stack of this checkout builds that.",
        f"Correct images.promoted_from in Pulumi.{name}.yaml.",
    )


def _overrides(settings: Settings) -> Iterator[Override]:
    if settings.get("purpose", "live") == "live":
        yield Override("purpose", "rehearsal", f"a live stack runs nothing without a digest, and {_NO_DIGESTS}")
    yield Override("images.allow_unpinned", "all", _NO_DIGESTS)
    for each in settings.get("monitoring", {}).get("receivers", ()):
        yield Override(
            f"webhooks.{each['secret']}",
            f"https://hooks.example/{each['secret']}",
            "a secret of those who run the stack; nobody is there",
        )
