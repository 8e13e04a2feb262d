"""A stack of Google Cloud from an empty project to its removal, before there is a project: the program as it is.

Its stack file is taken with a short list of changes, which is printed. What a stack promotes is built first, by the
stack that builds it. The first step that fails ends the rehearsal. The report says of every part whether it was
real, a stand-in, simulated, or is unverified.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from localcloud import files, paths, pulumi, toolchain
from localcloud.alone import alone
from localcloud.cluster import google
from localcloud.display import say, step
from localcloud.problem import Problem
from localcloud.pulumi.command_line import quietly
from localcloud.rehearsal import clusters
from localcloud.rehearsal.clusters import Cluster
from localcloud.rehearsal.drills import Pods
from localcloud.rehearsal.overrides import PREFIX, needed, on_this_machine
from localcloud.rehearsal.report import Done, written
from localcloud.rehearsal.surroundings import Project, surroundings
from operations.override import Override

_PROGRAM: Final = "vision-week"
# A machine that costs more, and can't be had by changing the one that is there.
_OTHER_MACHINE: Final = "n2-standard-8"

Settings = dict[str, Any]


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

    def drill(self, title: str, what: Callable[[], str]) -> None:
        """Do something to the pods; it says what came of it."""
        started = time.monotonic()
        with step(f"{self.name}: {title}"):
            said = what()
        self.done.append(Done(self.name, title, said, time.monotonic() - started))

    def update(self, title: str) -> None:
        """`pulumi up`, after which a preview is empty."""
        self.run(title, "up", "--yes", "--skip-preview", *pulumi.policies())
        self.run("a second preview is empty", "preview", "--expect-no-changes", *pulumi.policies())


def rehearse(name: str, report: Path, *, played: bool = False, short: bool = False) -> None:
    """Rehearse a stack; the report is written when all went well.

    played: on an API server without nodes, which calls every pod ready; otherwise on the local cluster, with pods.
    short: until it is up, and no further.
    """
    settings = {each: _settings(each) for each in (*_builders(name), name)}
    overrides = {each: list(needed(settings[each])) for each in settings}
    if not played:
        others = list(on_this_machine(settings[name], _settings_of("development")))
        places = [each.path for each in others]
        overrides[name] = [each for each in overrides[name] if each.path not in places] + others
    for each, changed in overrides.items():
        say(f"{each}: the program and Pulumi.{each}.yaml as they are, but for")
        for override in changed:
            say(f"  {override}")
    done: list[Done] = []
    projects = [_project(each) for each in settings.values()]
    place = os.environ.get("XDG_STATE_HOME")
    with (
        alone(paths.LOCKS / "rehearsal", lambda: say("Waiting for another rehearsal on this machine …")),
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        surroundings(Path(folder), projects, partial(_cluster, Path(folder), settings[name], played)) as environment,
    ):
        for each, changed in overrides.items():
            stack = _prepared(each, changed, Path(folder), environment, done)
            if each == name:
                _live(stack, None if played else Pods(_project(settings[name]).name, PREFIX, place), short=short)
            else:
                _build(stack)
    changes = {each: list(map(str, changed)) for each, changed in overrides.items()}
    files.write(report, written(name, changes, done, played=played))


def _cluster(
    folder: Path, settings: Settings, played: bool, progress: Callable[[str], None]
) -> AbstractContextManager[Cluster]:
    if played:
        toolchain.build(clusters.PLAYED_PROGRAMS, progress)
        return clusters.of_its_own(folder / "plane", progress)
    about, project = settings["cluster"], _project(settings)
    place = settings["images"]["registry"].rpartition("/")[0]
    pods = google.Project(name=project.name, number=project.number, cluster=_PROGRAM, location=about["region"])
    return clusters.local(pods, place, folder / "vision-week" / "gcp", progress)


def _build(stack: Stack) -> None:
    """What another stack promotes from this one: its registry, and the release in it."""
    words = ("--exclude=**kubernetes:**", "--exclude-dependents")
    stack.run("the release, and what is not in its cluster", "up", "--yes", "--skip-preview", *words)


def _live(stack: Stack, pods: Pods | None, *, short: bool) -> None:
    stack.run("a first preview of everything", "preview", *pulumi.policies())
    stack.update("up, from an empty project")
    if pods:
        stack.drill("the application, its stores and its bucket are well; a file that is uploaded is there", pods.serve)
        stack.drill("a first backup is in the bucket", pods.backed_up)
    if short:
        return
    stack.set("cluster.apps.machine", _OTHER_MACHINE)
    stack.update(f"the pool apps on other machines, {_OTHER_MACHINE}")
    if pods:
        stack.drill("a zone fails: its node is gone, and comes back", pods.lose_a_zone)
        stack.set("secrets.generation", 2)
        stack.update("a rotation: all passwords are others")
        stack.drill("the application goes on with them", pods.serve)
        stack.drill("a restore from the bucket, beside the database", pods.restore)
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


def _settings_of(name: str) -> Settings:
    config = yaml.safe_load((paths.CHECKOUT / f"Pulumi.{name}.yaml").read_text())["config"]
    return {key.removeprefix(f"{_PROGRAM}:"): value for key, value in config.items()}


def _settings(name: str) -> Settings:
    pulumi.require_settings(name)
    settings = _settings_of(name)
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
