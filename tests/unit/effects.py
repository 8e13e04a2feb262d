"""What each setting changes: every leaf of the models is given another value, and the two programs are compared.

The list of leaves comes from the models, so a new setting is tried by itself. Where no other value can be guessed that
all checks accept, EXAMPLES has one. A setting that changes nothing is either refused in words (`LATER`), or stands in
WITHOUT_EFFECT with its reason.
"""

import copy
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pulumi import RunError
from pydantic import BaseModel

from components.configuration import SettingsError, parse
from components.settings.cluster import Day
from components.stack_file import NAMESPACE
from components.values import LATER
from localcloud.plugins.kubernetes.comparison import changes
from localcloud.plugins.kubernetes.objects import kind_of
from localcloud.plugins.kubernetes.replacement import replacing_fields
from tests.unit.differences import differences
from tests.unit.edges import NGINX
from tests.unit.faults import INGRESS
from tests.unit.inventory import title
from tests.unit.recording import Made, Recording, run_stack
from tests.unit.references import dangling
from tests.unit.rendering import WIDTH, flow
from tests.unit.stacks import OF_THE_CLUSTER, WEBHOOKS, buildable

BASE = "production"
_CHECKSUM = "spec.template.metadata.annotations.vision-week/configuration"
_CONTINUED = " " * 8
_AMOUNT = re.compile(r"(\d+)(m|[KMGT]i?)?")

OF_EVERY_EDGE = {
    "url": "https://www.vision-week.example",
    "api_host": "interface.vision-week.example",
    "websocket_host": "live.vision-week.example",
    "certificate_names": ["*.vision-week.example", "vision-week.example"],
    "trusted_proxies": ["10.0.0.0/8"],
}
# Other values for what can't be guessed.
EXAMPLES: dict[str, Any] = {
    "app.debugger": "192.0.2.7:9003",
    "app.workers": 9,
    "cluster(existing).control_plane": ["10.0.0.0/28"],
    "cluster(existing).nodes": ["10.0.1.0/24"],
    **{
        f"edge({flavour}).{setting}": value
        for flavour in ("nginx", "gateway", "ingress")
        for setting, value in OF_EVERY_EDGE.items()
    },
    "edge(gateway).address": "203.0.113.11",
    "edge(gateway).dns_zone": None,
    "edge(ingress).annotations": {"controller.example/redirect-to-https": "true"},
    "edge(nginx).resources.cpu_limit": "1250m",
    "images.fixed": {"app": f"registry.example/app@sha256:{'0' * 64}"},
    "images.registry": "europe-west1-docker.pkg.dev/vision-week-production/other",
    "images.flutter": "3.32.0",
    "images.promoted_from": "registry.example/tried",
    "monitoring.alerts.availability_percent": 99.5,
    "monitoring.alerts.server_errors_per_second": 0.2,
    "monitoring.traces.percent": 25,
    "redis.quorum": 4,
    "postgres.backups.bucket": "other-backups",
    "postgres.pooler_resources.cpu_limit": "750m",
    "postgres.backups.full_at": "03:15",
    "release": "v2.0.0",
    "source.constants": {"FIREBASE_PROJECT_ID": "vision-week"},
    "source.document_root": "web",
    "source.git": "https://git.example/other.git",
    "source.path": "../application",
    "source.reference": "1" * 40,
    "source.variables": {"DATABASE_HOST": "DB_SERVERNAME", "DATABASE_PASSWORD": "DB_PASSWORD"},
    "storage.parameters": {"type": "pd-ssd"},
    "cluster(gke).labels": {"cost-centre": "some"},
    "cluster(gke).maintenance.days": ["MO", "TU", "WE", "TH"],
    "cluster(gke).maintenance.start": "03:00",
    "cluster(gke).maintenance.exclusions": [{"name": "opening", "first": "2027-05-01", "last": "2027-05-07"}],
    "cluster(gke).network.control_plane": "10.30.1.0/28",
    "cluster(gke).network.nodes": "10.11.0.0/20",
    "cluster(gke).network.pods": "10.65.0.0/16",
    "cluster(gke).network.services": "10.21.0.0/20",
    "cluster(gke).apps.machine": "n2-standard-8",
    "cluster(gke).data.machine": "n2-highmem-8",
    "webhooks": {name: f"{address}/other" for name, address in WEBHOOKS.items()},
}
# What has to be set in both programs for a setting to have a meaning.
BUILT_HERE = {"images": {"promoted_from": None}}
BUILT_FROM_GIT = {**BUILT_HERE, "source": {"git": "https://git.example/app.git", "reference": "0" * 40}}
GIVEN: dict[str, dict[str, Any]] = {
    "app.debugger": {"images": {"promoted_from": None, "app_target": "development"}},
    "app.hot_reload": {"images": {"promoted_from": None, "app_target": "development"}},
    **dict.fromkeys(("images.app_target", "images.flutter", "source.document_root", "source.path"), BUILT_HERE),
    "cluster(gke).maintenance.exclusions": {"cluster": {"maintenance": {"days": list(get_args(Day))}}},
    "edge(nginx).disruptions": {"edge": {"replicas": 3}},
    "edge(nginx).node_port": {"edge": {"service": "NodePort"}},
    "monitoring.logs": {"monitoring": {"traces": {"enabled": False}}},
    # Another project is let to no bucket but the program's own.
    "postgres.backups.bucket": {"postgres": {"backups": {"copied_by": None}}},
    "postgres.backups.repository": {"postgres": {"backups": {"copied_by": None}}},
    "postgres.backups.volume_size": {"postgres": {"backups": {"repository": "volume", "copied_by": None}}},
    "postgres.disruptions": {"postgres": {"members": 5}},
    "redis.disruptions": {"redis": {"members": 5}},
    "redis.quorum": {"redis": {"members": 5}},
    "source.git": BUILT_FROM_GIT,
    "source.reference": BUILT_FROM_GIT,
    "websocket.replicas.disruptions": {"websocket": {"replicas": {"min": 3, "max": 10}}},
}
# The base stack's edge in other flavours.
OTHER_EDGES = {
    flavour: {**own, "api_host": "api.vision-week.example", "websocket_host": "ws.vision-week.example"}
    for flavour, own in (("nginx", NGINX), ("ingress", INGRESS))
}
# What only has a meaning in a cluster that is there already: where the program makes one, uploads are in a bucket, and
# traces are Google's to keep.
OF_EXISTING_CLUSTERS = frozenset(
    {
        "app.uploads",
        "monitoring.traces.days",
        "monitoring.traces.resources.cpu",
        "monitoring.traces.resources.cpu_limit",
        "monitoring.traces.resources.memory",
        "monitoring.traces.size",
        "storage.shared_access",
        "storage.shared_class",
    }
)
# And in a cluster that is there already, as a bucket is then.
OTHER_CLUSTERS = {
    "existing": {
        "cluster": {"flavour": "existing", "context": "some-context"},
        "postgres": {"backups": {"bucket": "backups", "copied_by": None}},
    }
}
NO_SNAPSHOTS = {"snapshots": {"enabled": False}}
_TOGETHER = "refused without images.registry, which is of the same project and region"
# Settings, or with a dot at the end all that begin so, that change nothing.
WITHOUT_EFFECT: dict[str, str] = {
    "cluster(gke).project": _TOGETHER,
    "cluster(gke).region": _TOGETHER,
    "cluster.flavour": "each flavour's settings are tried by themselves",
    "edge.flavour": "each flavour's settings are tried by themselves",
    "images.allow_unpinned": "only admits or refuses; what runs is the catalogue's",
    "policies.exemptions": "the policy pack reads them; they change nothing themselves",
    "postgres.backups.recover_days": "what is promised, and what keep_days must be enough for",
}


@dataclass(frozen=True)
class Leaf:
    """A setting that holds no others.

    name: as in the tables here. path: in the stack file. hint: its type. later: it is marked as not built.
    variant: the path of a choice -> the flavour that this setting belongs to.
    """

    name: str
    path: tuple[str, ...]
    hint: Any
    later: bool
    variant: Mapping[tuple[str, ...], str]


@dataclass(frozen=True)
class Effect:
    """What another value of a setting changes. cuts: references that lead nowhere then."""

    before: Any
    after: Any
    changes: tuple[str, ...]
    cuts: tuple[str, ...] = ()

    def lines(self, leaf: Leaf) -> Iterator[str]:
        yield f"{leaf.name}: {flow(self.before)} -> {flow(self.after)}"
        for change in self.changes:
            yield from textwrap.wrap(
                change,
                WIDTH,
                initial_indent="    ",
                subsequent_indent=_CONTINUED,
                break_long_words=False,
                break_on_hyphens=False,
            )


def leaves_of(model: type[BaseModel], within: Leaf | None = None) -> Iterator[Leaf]:
    """Every leaf of a model, in the order of its fields."""
    outer = within or Leaf("", (), None, False, {})
    for key, field in model.model_fields.items():
        models, optional = list(_models(field.annotation)), NoneType in get_args(field.annotation)
        leaf = Leaf(
            f"{outer.name}.{key}".removeprefix("."),
            (*outer.path, key),
            field.annotation,
            outer.later or LATER in field.metadata,
            outer.variant,
        )
        if len(models) > 1:
            yield replace(leaf, name=f"{leaf.name}.flavour", path=(*leaf.path, "flavour"))
        elif (optional or not models) and key != "flavour":
            yield leaf
        for inner in models:
            if len(models) == 1:
                yield from leaves_of(inner, leaf)
            else:
                flavour = get_args(inner.model_fields["flavour"].annotation)[0]
                variant = {**leaf.variant, leaf.path: flavour}
                yield from leaves_of(inner, replace(leaf, name=f"{leaf.name}({flavour})", variant=variant))


def reason(leaf: Leaf) -> str | None:
    """Why a setting changes nothing; None for one that must change something."""
    if leaf.later:
        return "refused in words until it is built"
    for name, why in WITHOUT_EFFECT.items():
        if leaf.name == name or (name.endswith(".") and leaf.name.startswith(name)):
            return why
    return None


@dataclass(frozen=True)
class Trial:
    """Another value of a setting, beside the settings that both programs have.

    base: those. before, after: the values. whole: the setting's group as it is, where it has to be given with it.
    """

    leaf: Leaf
    base: dict[str, Any]
    before: Any
    after: Any
    whole: Mapping[str, Any]

    def among(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """These settings, with the other value."""
        path, outer = self.leaf.path, self.leaf.path[:-1]
        if self.whole:
            values = _with(values, outer, {**self.whole, **(_found(values, outer) or {})})
        return _with(values, path, self.after)


def trials(leaf: Leaf) -> Iterator[Trial]:
    """The other values to try, the likeliest first; none for a choice of flavour, and in the base's other flavours."""
    base = copy.deepcopy(_base())
    base["edge"] = OTHER_EDGES.get(leaf.variant.get(("edge",), ""), base["edge"])
    base |= OTHER_CLUSTERS.get(leaf.variant.get(("cluster",), ""), {})
    if leaf.name in OF_EXISTING_CLUSTERS:
        base |= OTHER_CLUSTERS["existing"]
    if base["cluster"]["flavour"] == "existing":
        base["storage"] = {**base.get("storage", {}), **NO_SNAPSHOTS}
        base["edge"] = {key: value for key, value in base["edge"].items() if key != "dns_zone"}
    for key, value in GIVEN.get(leaf.name, {}).items():
        base[key] = {**base.get(key, {}), **value}
    settings = parse(base).model_dump(mode="json")
    if leaf.path[-1] == "flavour" or any(_at(settings, at)["flavour"] != chosen for at, chosen in leaf.variant.items()):
        return
    before = _at(settings, leaf.path)
    for after in [EXAMPLES[leaf.name]] if leaf.name in EXAMPLES else _others(before, leaf.hint):
        if after != before:
            yield Trial(leaf, base, before, after, {})
            # Beside some settings the others of their group have to be given too.
            if len(leaf.path) > 1:
                yield Trial(leaf, base, before, after, _at(settings, leaf.path[:-1]))


def effect(leaf: Leaf) -> Effect | None:
    """What changes with another value; None where no other can be had."""
    for trial in trials(leaf):
        if changed := _run(trial.among(trial.base)):
            return Effect(trial.before, trial.after, _changes(_known(trial.base), changed), _cuts(changed, [trial]))
    return None


def effects(leaves: Iterable[Leaf], said: Mapping[str, Sequence[str]]) -> dict[str, Effect | None]:
    """What each of these settings changes. said: what a list says of it, line by line, which need not be true.

    A program runs for seconds. So settings are changed together that are said to change different things: where just
    that changes, the list is taken to be right about each; otherwise their halves are tried, down to one by itself.
    What escapes: one does, besides or instead, what another of its group is said to do. Names that are likely to be
    taken for each other are the same in two places (`cpu`), so no two of one name are together.
    """
    found: dict[str, Effect | None] = {}
    groups: list[list[Trial]] = []
    for leaf in leaves:
        trial = next((trial for trial in trials(leaf) if _accepted(trial.among(trial.base))), None)
        if trial is None or (leaf.name not in said and not reason(leaf)):
            found[leaf.name] = effect(leaf)
        elif group := next((group for group in groups if _fits(trial, group, said)), None):
            group.append(trial)
        else:
            groups.append([trial])
    return found | {trial.leaf.name: effect for group in groups for trial, effect in _together(group, said)}


def _together(group: list[Trial], said: Mapping[str, Sequence[str]]) -> Iterator[tuple[Trial, Effect | None]]:
    """Each with what it changes: what is said, where that holds for all, and else what is found in halves."""
    if _as_said(group, said):
        for one in group:
            yield one, Effect(one.before, one.after, tuple(said.get(one.leaf.name, ())))
    elif len(group) == 1:
        yield group[0], effect(group[0].leaf)
    else:
        half = len(group) // 2
        yield from _together(group[:half], said)
        yield from _together(group[half:], said)


def listed(text: str) -> dict[str, list[str]]:
    """What a list of `Effect.lines` says of each setting."""
    found: dict[str, list[str]] = {}
    for block in text.split("\n\n"):
        head, *lines = block.strip("\n").split("\n")
        changes = found.setdefault(head.partition(":")[0], [])
        for line in lines:
            if line.startswith(_CONTINUED):
                changes[-1] += f" {line.strip()}"
            else:
                changes.append(line.strip())
    return found


def _fits(trial: Trial, group: Sequence[Trial], said: Mapping[str, Sequence[str]]) -> bool:
    return trial.base == group[0].base and all(
        trial.leaf.path[-1] != other.leaf.path[-1]
        and not _facts(said.get(trial.leaf.name, ())) & _facts(said.get(other.leaf.name, ()))
        for other in group
    )


def _as_said(group: Sequence[Trial], said: Mapping[str, Sequence[str]]) -> bool:
    """Whether all of them together change what is said of each, and nothing else."""
    values: dict[str, Any] = group[0].base
    for trial in group:
        values = trial.among(values)
    changed = _run(values)
    if changed is None or _cuts(changed, group):
        return False
    lines = [line for trial in group for line in said.get(trial.leaf.name, ())]
    return _facts(_changes(_known(group[0].base), changed)) == _facts(lines)


def _facts(lines: Iterable[str]) -> frozenset[str]:
    """What `_changes` says in lines, one resource and one field each."""
    return frozenset(fact for line in lines for fact in _facts_of(line))


@cache
def _facts_of(line: str) -> tuple[str, ...]:
    head, changed, fields = line.partition(": ")
    if not changed:
        return (line,)
    replaced = head.startswith("REPLACED ")
    kind, _, names = head.removeprefix("REPLACED ").partition(" ")
    what = [*fields.split(", "), *(["REPLACED"] if replaced else [])]
    return tuple(f"{kind} {name}: {field}" for name in names.split(", ") for field in what)


def unexplained(leaf: Leaf, found: Effect | None) -> str | None:
    """What is wrong with a setting that changes nothing, or with the reason for that."""
    why = reason(leaf)
    if found and found.changes and why:
        return f"{leaf.name} is said to change nothing ({why}), and does"
    if why:
        return None
    if found is None:
        return f"{leaf.name}: no other value is known that all checks accept; add one to EXAMPLES"
    if not found.changes:
        return f"{leaf.name} changes nothing: build it, mark it LATER, or say why in WITHOUT_EFFECT"
    return None


def _changes(before: Recording, after: Recording) -> tuple[str, ...]:
    """The resources that differ, by what differs in them."""
    return tuple(_compared(before, after))


def _compared(before: Recording, after: Recording) -> Iterator[str]:
    old, new = ({one.urn: one for one in recording.made} for recording in (before, after))
    yield from sorted(f"+ {title(new[urn])}" for urn in new.keys() - old.keys())
    yield from sorted(f"- {title(old[urn])}" for urn in old.keys() - new.keys())
    alike: dict[tuple[str, str], list[str]] = {}
    for urn in old.keys() & new.keys():
        fields = [
            "pods roll" if path == _CHECKSUM else path for path, _ in differences(old[urn].inputs, new[urn].inputs)
        ]
        fields += ["protection"] if old[urn].protect != new[urn].protect else []
        if fields:
            kind = ("REPLACED " if _replaced(old[urn], new[urn]) else "") + title(old[urn]).partition(" ")[0]
            alike.setdefault((kind, ", ".join(fields)), []).append(old[urn].name)
    yield from sorted(f"{kind} {', '.join(sorted(names))}: {fields}" for (kind, fields), names in alike.items())
    if outputs := [name for name, _ in differences(before.outputs, after.outputs)]:
        yield f"outputs: {', '.join(outputs)}"


def _replaced(before: Made, after: Made) -> bool:
    """Whether the provider can't change it in place. ConfigMaps and Secrets it can: our provider is told so."""
    if not before.is_kubernetes:
        return False
    kind = kind_of(after.type, after.inputs)
    fixed = replacing_fields(kind, after.inputs, config_map_mutable=True, secret_mutable=True)
    return any(change.replace for change in changes(before.inputs, after.inputs, fixed).values())


@cache
def _base() -> dict[str, Any]:
    """The base stack, as its file has it."""
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): value for key, value in buildable(BASE).items() if key.startswith(prefix)}


def _with(values: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(dict(values))
    holder = changed
    for step in path[:-1]:
        holder = holder.setdefault(step, {})
    holder[path[-1]] = value
    return changed


def _cuts(changed: Recording, trials: Iterable[Trial]) -> tuple[str, ...]:
    """References that lead nowhere. A class of volumes that a setting names is the cluster's."""
    named = {str(trial.after) for trial in trials}
    return tuple(dangling(changed, of_the_cluster=OF_THE_CLUSTER | {"shared-rwx", *named}))


def _known(base: dict[str, Any]) -> Recording:
    known = _run(base)
    assert known
    return known


def _accepted(values: dict[str, Any]) -> bool:
    """Whether the settings' own checks take these; the program may have others."""
    try:
        parse(values)
    except SettingsError:
        return False
    return True


_recordings: dict[str, Recording | None] = {}


def _run(values: dict[str, Any]) -> Recording | None:
    """The program with these settings; None where it refuses them."""
    key = repr(values)
    if key not in _recordings:
        try:
            parse(values)
            _recordings[key] = run_stack({f"{NAMESPACE}:{name}": value for name, value in values.items()})
        except (SettingsError, RunError):
            _recordings[key] = None
    return _recordings[key]


def _others(value: Any, hint: Any) -> Iterator[Any]:
    """Other values of the kind of this one."""
    literals = [choice for part in (hint, *get_args(hint)) if get_origin(part) is Literal for choice in get_args(part)]
    match value:
        case _ if literals:
            yield from (choice for choice in literals if choice != value)
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1, value * 2, value // 2)
        case str() if match := _AMOUNT.fullmatch(value):
            number, unit = int(match[1]), match[2] or ""
            yield from (f"{other}{unit}" for other in (number * 2, number + 1, number - 1, number // 2))
        case str():
            yield from (f"{value}-other", f"{value}2")
        case None:
            yield from ("other", "/other", 30443)
        case list():
            yield from ([], value[:1])


def _found(values: Any, path: Sequence[str]) -> Any:
    """As `_at`, None where there is nothing."""
    for step in path:
        values = (values or {}).get(step)
    return values


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        values = values[step]
    return values


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is one of; those that it is a list of are not."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    elif get_origin(hint) not in {list, tuple, dict}:
        for part in get_args(hint):
            yield from _models(part)
