"""The objects that an update would apply, as a base and an overlay for each environment (S4.2).

For those who apply with Argo CD, Flux or `kubectl apply -k`. What is written is what the engine's own preview says:
after `pulumi up` it is what was applied, field by field. A Secret is never written; pods name it, and its name is in
the overlay's list.
"""

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from operations.delivery.preview import KEPT, SECRET, UNKNOWN, Preview, asked
from operations.delivery.problem import DeliveryError
from operations.delivery.target import Target

Object = Mapping[str, Any]

_OURS: Final = "# Written by `make render`; what is changed here by hand is lost.\n"
_KUSTOMIZATION: Final = "kustomization.yaml"
_FILES: Final = "*/*.yaml"  # of the objects, below an overlay or the base
_KUBERNETES: Final = "kubernetes"
_NOT_OUTSIDE: Final = frozenset({_KUBERNETES, "pulumi", "vision-week"})  # the latter: providers and components
_AUTONAMED: Final = "pulumi.com/autonamed"
_PLAIN: Final = re.compile(r"[A-Za-z/][\w./-]+")


@dataclass(frozen=True)
class Rendered:
    """What a stack puts into the cluster. secrets: namespace, name and type of those that are left out.

    outside: package of the resources that are no objects of the cluster -> how many there are.
    """

    objects: Sequence[Object]
    secrets: Sequence[tuple[str, str, str]]
    outside: Mapping[str, int]

    @classmethod
    def of(cls, told: str) -> "Rendered":
        """From what `pulumi preview --json --show-sames` prints. Raises `DeliveryError` for what can't be written."""
        steps = [step for step in json.loads(told).get("steps", []) if step["op"] in KEPT]
        outside = Counter(package for step in steps if (package := _package(step)) not in _NOT_OUTSIDE)
        made = [_object(step) for step in steps if _package(step) == _KUBERNETES]
        objects = [one for one in made if one["kind"] != "Secret"]
        if spilt := [_told(one) for one in objects if SECRET in json.dumps(one)]:
            raise DeliveryError(
                f"A secret value stands outside of a Secret, in {', '.join(sorted(spilt))}.",
                "have the program put it into a Secret",
            )
        if later := [_told(one) for one in made if UNKNOWN in json.dumps(one)]:
            raise DeliveryError(
                f"Only an update makes names or values of {', '.join(sorted(later))}.", "deploy first, then render"
            )
        secrets = [
            (one["metadata"]["namespace"], one["metadata"]["name"], one.get("type", "Opaque"))
            for one in made
            if one["kind"] == "Secret"
        ]
        return cls(
            sorted(objects, key=_place),
            sorted(secrets),
            dict(sorted(outside.items())),
        )

    def left_out(self) -> Iterator[str]:
        """What is not among the files, in words."""
        if self.secrets:
            yield f"{len(self.secrets)} Secrets, which the overlay's secrets.md names"
        if self.outside:
            counts = ", ".join(f"{count} of {package}" for package, count in self.outside.items())
            yield f"resources that are no objects of the cluster: {counts}"


def render(target: Target, directory: Path) -> Rendered:
    """Write the stack's overlay, and the base anew. Changes nothing else."""
    done, events = asked(target, "--show-sames", *target.policies)
    if errors := Preview.answered(done, events).errors:
        raise DeliveryError("\n".join(errors), "mend what it names; nothing was written")
    rendered = Rendered.of(done.stdout)
    write(directory, target.stack, rendered)
    return rendered


def write(directory: Path, stack: str, rendered: Rendered) -> None:
    """Put one stack's objects beside those of the others that are there.

    What all of them have alike is the base, whichever was written first; what differs stands whole in each overlay.
    Nothing is taken away before all is there: whoever interrupts it loses no object, and runs it again.
    """
    base, overlays = directory / "base", directory / "overlays"
    for folder in (base, *overlays.glob("*/")):
        _refuse_others(folder)
    common = _read(base)
    stacks = {folder.name: {**common, **_read(folder)} for folder in overlays.glob("*/")}
    stacks[stack] = {_place(one): one for one in rendered.objects}
    alike = {
        place: one for place, one in stacks[stack].items() if all(other.get(place) == one for other in stacks.values())
    }
    wanted = {
        overlays / name: {place: one for place, one in objects.items() if place not in alike}
        for name, objects in stacks.items()
    }
    for folder, objects in {base: alike, **wanted}.items():
        _add(folder, objects, ["../../base"] if alike and folder != base else [])
    for folder, objects in {base: alike, **wanted}.items():
        _take_away(folder, but=objects)
    if not alike:
        shutil.rmtree(base, ignore_errors=True)
    (overlays / stack / "secrets.md").write_text(_list(stack, rendered.secrets))


def _package(step: Mapping[str, Any]) -> str:
    """`kubernetes` of `kubernetes:apps/v1:Deployment`."""
    types = str(step["urn"]).split("::")[2]
    return types.rpartition("$")[2].partition(":")[0]


def _object(step: Mapping[str, Any]) -> Object:
    """The object of a step.

    A name that the engine will draw by lot is another one in each preview. That of a Job, which nothing refers to,
    follows here from what it does: another Job has another name, the same one keeps it. Any other is not known yet.
    """
    inputs: Object = step["newState"]["inputs"]
    about = inputs["metadata"]
    if step["op"] not in {"create", "replace"} or _AUTONAMED not in about.get("annotations", {}):
        return inputs
    ending = UNKNOWN
    if inputs["kind"] == "Job":
        ending = hashlib.sha256(json.dumps(inputs["spec"], sort_keys=True).encode()).hexdigest()[:8]
    return {**inputs, "metadata": {**about, "name": f"{about['name'].rpartition('-')[0]}-{ending}"}}


def _told(one: Object) -> str:
    return f"{one['kind']} {one['metadata']['name'].replace(UNKNOWN, '…')}"


def _place(one: Object) -> str:
    """The file below an overlay, the same for the same object."""
    about = one["metadata"]
    group = one["apiVersion"].rpartition("/")[0].partition(".")[0]
    kind = f"{one['kind'].lower()}.{group}" if group else one["kind"].lower()
    return f"{about.get('namespace', 'cluster')}/{kind}-{about['name']}.yaml"


def _refuse_others(folder: Path) -> None:
    """What others have written would be deleted."""
    file = folder / _KUSTOMIZATION
    if folder.exists() and not (file.exists() and file.read_text().startswith(_OURS)):
        raise DeliveryError(
            f"{folder} was not written by this command, which would replace it.", "name another folder by --to"
        )


def _read(folder: Path) -> dict[str, Object]:
    # The loader in C: a hundred objects take seconds otherwise.
    return {
        str(file.relative_to(folder)): yaml.load(file.read_text(), yaml.CSafeLoader) for file in folder.glob(_FILES)
    }


def _add(folder: Path, objects: Mapping[str, Object], resources: Sequence[str]) -> None:
    if not objects and not resources:  # Kustomize refuses what is empty
        return
    folder.mkdir(parents=True, exist_ok=True)
    known = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    text = as_yaml({**known, "resources": [*resources, *sorted(objects)]})
    (folder / _KUSTOMIZATION).write_text(_OURS + text)
    for place, one in objects.items():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(as_yaml(one))


def _take_away(folder: Path, *, but: Mapping[str, Object]) -> None:
    for file in folder.glob(_FILES):
        if str(file.relative_to(folder)) not in but:
            file.unlink()
            with suppress(OSError):  # others are still in it
                file.parent.rmdir()


def _list(stack: str, secrets: Sequence[tuple[str, str, str]]) -> str:
    lines = "".join(f"| `{namespace}` | `{name}` | `{kind}` |\n" for namespace, name, kind in secrets)
    return (
        f"The objects of `{stack}` name these Secrets, which are not written anywhere. `pulumi up` makes them.\n\n"
        f"| namespace | name | type |\n|---|---|---|\n{lines}"
    )


class _Dumper(yaml.SafeDumper):
    """Texts that no reader of YAML takes for anything else: what isn't a plain word is quoted, `1e3` and `y` too."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """YAML, the same for the same value."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=10_000)
