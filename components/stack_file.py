"""A stack's file as somebody wrote it: the line of each setting, and values that YAML reads as something else.

The engine hands over values, not what was typed: `010` arrives as 8 and an empty one as null. Whoever typed it would
look for the mistake in vain, so the file is read once more, as text. Its values are never used.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from components.checks import Fault

NAMESPACE = "vision-week"
# Of Pulumi itself, and of the providers that the program uses.
_OTHERS = frozenset({"pulumi", "kubernetes", "docker", "docker-build", "gcp", "random", "tls"})
# What else Pulumi keeps in a stack's file.
_TOP = frozenset({"config", "secretsprovider", "encryptedkey", "encryptionsalt", "environment", "import"})

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Trap:
    """A way of writing that YAML takes for something else than it looks like.

    why: what YAML does with it. instead: what to write.
    """

    pattern: re.Pattern[str]
    why: str
    instead: str


_TRAPS = (
    Trap(re.compile(""), "nothing is written after the colon, which is null", "give a value, or leave the key out"),
    Trap(re.compile("~|null|Null|NULL"), "is null, which is no setting's value", "leave the key out"),
    Trap(
        re.compile("y|n|yes|no|on|off", re.IGNORECASE),
        "is true or false to some readers of YAML and a text to others",
        'write true or false, or the text in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?0[0-9_]+"),
        "begins with a zero, which makes it a number to the base of 8 where its digits allow",
        'write the number without the zero, or the text in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?0[box][0-9a-f_]+", re.IGNORECASE),
        "is a number to another base than 10",
        'write the number as people read it, or the text in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"),
        "loses its underscores and becomes a number",
        'write the number without them, or the text in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)e[-+]?[0-9]+", re.IGNORECASE),
        "is a number with an exponent",
        'write the number in full, or the text in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"),
        "is a point in time, and arrives with hours and a zone",
        'write it in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"),
        "is a number to the base of 60 to some readers of YAML",
        'write it in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE),
        "is no number that can be counted with",
        'write a number, or the text in quotes: "{text}"',
    ),
    Trap(
        re.compile(r"[-+]?[0-9]*\.[0-9]*0"),
        "is a number, and loses its last zero",
        'write the number without it, or the text in quotes: "{text}"',
    ),
)


@dataclass(frozen=True)
class Place:
    """Where a value stands. steps: its path. text: as it was typed, where it is one value without quotes."""

    line: int
    steps: Steps
    text: str | None


class StackFile:
    """A stack's file.

    name: as messages call it. places: path of a setting -> where it stands. lines: key with its namespace -> line.
    shape: what is wrong with the file as a whole.
    """

    def __init__(self, name: str, text: str | None = None) -> None:
        self.name = name
        self.places: dict[str, Place] = {}
        self.lines: dict[str, int] = {}
        self.shape: list[Fault] = []
        if text is not None:
            self._top(yaml.compose(text, Loader=_Loader))

    @classmethod
    def read(cls, file: Path) -> "StackFile | None":
        """The file, or None where there is none or Pulumi itself refuses it."""
        try:
            return cls(file.name, file.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return None

    def where(self, setting: str) -> str:
        """`Pulumi.staging.yaml:31`: the setting's line, or that of the one that it belongs to."""
        if line := self.lines.get(setting.removesuffix(":")):
            return f"{self.name}:{line}"
        while setting and setting not in self.places:
            setting = setting[: max(setting.rfind("."), setting.rfind("["), 0)]
        return f"{self.name}:{self.places[setting].line}" if setting else self.name

    def in_clear(self, setting: str, values: Any) -> Iterator[Fault]:
        """Values of a setting of secrets, each by its name, that stand in the file as they are."""
        for name in values if isinstance(values, dict) else ():
            here = f"{setting}.{name}"
            if here in self.places and not {f"{setting}.secure", f"{here}.secure"} & self.places.keys():
                how = f"pulumi config set --secret --path {NAMESPACE}:{here}"
                yield Fault(
                    here, "is a secret, and stands in the file in clear", f"take it out and give a new one by `{how}`"
                )

    def traps(self, values: Mapping[str, Any]) -> Iterator[Fault]:
        """Values of ours that don't mean what they look like. `values`: what arrived."""
        for setting, place in self.places.items():
            arrived, there = _at(values, place.steps)
            if place.text is None or not there:
                continue
            for trap in _TRAPS:
                if trap.pattern.fullmatch(place.text):
                    told = f"; it arrives as {json.dumps(arrived)}" if place.text and str(arrived) != place.text else ""
                    yield Fault(setting, trap.why + told, trap.instead.format(text=place.text), place.text or None)
                    break

    def _top(self, root: yaml.Node | None) -> None:
        config: yaml.Node | None = None
        for key, value in _entries(root):
            self.lines[key.value] = key.start_mark.line + 1
            if key.value == "config":
                config = value
            elif key.value.partition(":")[0] == NAMESPACE:
                self.shape.append(Fault(key.value, "stands beside `config:`, not below it", "indent it"))
            elif key.value not in _TOP:
                self.shape.append(Fault(f"{key.value}:", "is not a key of a stack's file", _meant(key.value, _TOP)))
        settings = list(_entries(config))
        if not settings:
            self.shape.append(Fault("config:", "is missing or empty", "write the settings below it"))
        for key, value in settings:
            self.lines[key.value] = key.start_mark.line + 1
            if (name := own(key.value)) in self.places:
                first = self.places[name].line
                self.shape.append(Fault(key.value, f"is there twice, first in line {first}", "leave one out"))
            elif name:
                self._keep((name,), key, value)

    def _keep(self, steps: Steps, key: yaml.Node, value: yaml.Node) -> None:
        plain = isinstance(value, yaml.ScalarNode) and not value.style
        self.places[path(steps)] = Place(key.start_mark.line + 1, steps, value.value if plain else None)
        for inner, inner_value in _entries(value):
            self._keep((*steps, inner.value), inner, inner_value)
        if isinstance(value, yaml.SequenceNode):
            for index, inner_value in enumerate(value.value):
                self._keep((*steps, index), inner_value, inner_value)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the one in C where there is one
    """Resolves nothing: a plain value is its text, and one with quotes is told by its style."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  as the library has it


def _entries(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys of a mapping, with their values; nothing where it is none."""
    if isinstance(node, yaml.MappingNode):
        yield from ((key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode))


def own(key: str) -> str:
    """The setting that a key of a stack's file is, empty where it isn't ours. Pulumi knows three ways to write one."""
    namespace, _, name = key.rpartition(":")
    return name if namespace in {"", NAMESPACE, f"{NAMESPACE}:config"} else ""


def strangers(keys: Sequence[str]) -> Iterator[Fault]:
    """Keys of namespaces that nobody reads: most likely ours, misspelt."""
    for key in keys:
        namespace, _, name = key.partition(":")
        if namespace not in _OTHERS | {NAMESPACE}:
            near = get_close_matches(namespace, [NAMESPACE, *_OTHERS], n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}:{name}?" if near else f"ours begin with {NAMESPACE}:"
            yield Fault(key, f"nobody reads the namespace {namespace}", hint)


def path(steps: Sequence[str | int]) -> str:
    """`images.allow_unpinned[0]`, as `pulumi config set --path` takes it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _at(values: Any, steps: Steps) -> tuple[Any, bool]:
    for step in steps:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return None, False
    return values, True


def _meant(word: str, known: frozenset[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
