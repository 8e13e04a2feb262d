"""What there is in the simulated Google Cloud: one file, apart from Pulumi's state as the real cloud is.

So "is it still there", "is the name taken" and "who still uses it" are questions with an answer, whatever a stack's
state says. It can be read, and changed by hand to try what a program does when somebody changes the cloud. It holds
secrets as the real one does, for its owner alone to read.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from localcloud import files, paths
from localcloud.plugins.provider import Failed
from localcloud.plugins.values import Values

# Where it is kept, if not under the local cloud's state.
FOLDER: Final = "LOCALCLOUD_GCP"
# Enabled in every new project: https://cloud.google.com/service-usage/docs/enabled-service#default
_ENABLED_FIRST: Final = ("logging", "monitoring", "servicemanagement", "serviceusage", "storage", "storage-api")


@dataclass
class Project:
    """A project.

    roles: that the caller has there, without `roles/`; None for its owner. apis: enabled ones, without the domain.
    agents: Google's own accounts in it, by the domain of their addresses.
    """

    number: int
    roles: list[str] | None = None
    apis: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)


@dataclass
class Thing:
    """A resource that is there.

    number: no other has or had it. made: when, as Google writes it. within: ids of those that it goes with.
    """

    inputs: Values
    number: int
    made: str
    within: list[str] = field(default_factory=list)


class World:
    """All of it, while nobody else can change it. things: token of the kind -> name -> the resource."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.projects = {name: Project(**each) for name, each in content.get("projects", {}).items()}
        self.things = {
            token: {name: Thing(**each) for name, each in found.items()}
            for token, found in content.get("things", {}).items()
        }
        self.counted: int = content.get("counted", 0)
        # Names that were used once and can't be again.
        self.retired: list[str] = content.get("retired", [])

    def content(self) -> Values:
        """As it is written."""
        return {
            "projects": {name: asdict(each) for name, each in self.projects.items()},
            "things": {
                token: {name: asdict(each) for name, each in found.items()} for token, found in self.things.items()
            },
            "counted": self.counted,
            "retired": self.retired,
        }

    def add_project(
        self,
        project: str,
        number: int,
        apis: Iterable[str] = (),
        roles: Iterable[str] | None = None,
        agents: Iterable[str] = (),
    ) -> Project:
        """Make a project, as a person does before any program can: with what Google enables, and with these."""
        enabled = list(dict.fromkeys([*_ENABLED_FIRST, *apis]))
        made = Project(number, None if roles is None else list(roles), enabled, list(agents))
        self.projects[project] = made
        return made

    def find(self, token: str, name: str) -> Thing | None:
        """A resource, None if it isn't there."""
        return self.things.get(token, {}).get(name)

    def of(self, token: str) -> Mapping[str, Thing]:
        """All of a kind, by id."""
        return self.things.get(token, {})

    def number(self) -> int:
        """One that nothing else has."""
        self.counted += 1
        return self.counted

    def add(self, token: str, name: str, inputs: Values, number: int, within: Iterable[str]) -> Thing:
        """Let a resource be there."""
        made = Thing(inputs, number, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), list(within))
        self.things.setdefault(token, {})[name] = made
        return made

    def remove(self, token: str, name: str) -> None:
        """Let a resource be gone, if it is there, with what lies in it: a cluster's pools, a bucket's rights."""
        if self.things.get(token, {}).pop(name, None) is None:
            return
        inside = [
            (other, each)
            for other, found in self.things.items()
            for each, thing in found.items()
            if name in thing.within
        ]
        for other, each in inside:
            self.remove(other, each)


def folder() -> Path:
    """Where the simulated cloud is kept."""
    return Path(os.environ.get(FOLDER) or paths.state() / "gcp")


@contextmanager
def world() -> Iterator[World]:
    """The cloud for as long as this takes; what was changed is kept unless something is raised.

    Several programs may change it at once, each by plugins of its own, so the lock is a file's.
    """
    place = folder()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = place / "cloud.json"
        before = file.read_text() if file.exists() else "{}"
        try:
            found = World(json.loads(before))
        except (ValueError, TypeError) as error:
            raise Failed(f"{file}, which is the simulated Google Cloud, can't be read: {error}") from None
        yield found
        after = json.dumps(found.content(), indent=1)
        if after != before:
            files.write(file, after, mode=0o600)
